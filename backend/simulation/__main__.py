"""`python -m backend.simulation`: the same as `flask simulate`, on greenlets, for hundreds of actors."""

from gevent import monkey

monkey.patch_all()

from backend.simulation.cli import simulate  # noqa: E402 - patched first, or sockets would block everybody

if __name__ == "__main__":
    simulate()
