"""`python -m backend`: everything in one process on the embedded database, with a simulated town. See `make run`."""

from gevent import monkey

monkey.patch_all()  # before anything imports sockets or psycopg: patched later, they would block the whole process

from backend.demo import main  # noqa: E402 - only now

main()
