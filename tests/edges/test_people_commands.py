"""Accounts from a terminal, and the demo's."""

import json
import stat

import pytest
from click.testing import CliRunner

from backend.people import demo, sessions
from backend.people.cli import people_commands
from backend.people.models import Staff
from backend.people.passwords import Passwords
from backend.people.roles import Role
from backend.settings import Settings
from backend.wiring import wire
from tests.people import Alerts, add_staff, add_team


@pytest.fixture
def run(wiring):
    commands = {command.name: command for command in people_commands(wiring, Alerts().work)}

    def run(name, *args):
        return CliRunner().invoke(commands[name], args)

    return run


def accept(client, link, login="boss"):
    body = {"login": login, "display_name": "Boss", "password": "sept petits tramways"}
    return client.post("/v1/invitations/accept", json=body | {"invitation": link.partition("#invitation=")[2].strip()})


def test_the_first_admin_comes_by_a_link_that_works_once(run, client):
    assert client.post("/v1/sessions", json={"login": "admin", "password": "admin"}).status_code == 401
    printed = run("bootstrap-admin")
    assert printed.exit_code == 0
    assert printed.stdout.startswith("http://127.0.0.1:5000/#invitation=vi_")
    assert "21:30 UTC" in printed.stderr
    assert accept(client, printed.stdout).json["staff"]["role"] == "admin"
    assert accept(client, printed.stdout, "other").status_code == 410
    again = run("bootstrap-admin")
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr.startswith("refused: an administrator exists")
    assert run("bootstrap-admin", "--force").exit_code == 0


def test_staff_from_the_terminal(run, client, wiring):
    with wiring.database.transaction() as session:
        add_team(session, "GAP 1", wiring.clock.now())
    assert "no account yet" in run("staff", "list").stdout
    link = run("staff", "create", "Anna", "--name", "Anna B.", "--role", "agent", "--team", "GAP 1").stdout
    listed = run("staff", "list").stdout
    assert all(word in listed for word in ("anna", "Anna B.", "GAP 1", "invited"))
    token = accept(client, link, "anna").json["access_token"]
    assert "ready" in run("staff", "list").stdout
    assert "1 session(s) ended" in run("staff", "revoke", "anna").stdout
    assert client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert accept(client, run("staff", "invite", "anna").stdout, "anna").status_code == 201
    assert "account disabled" in run("staff", "revoke", "anna", "--disable").stdout
    assert "disabled" in run("staff", "list").stdout


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("create", "anna", "--name", "A", "--role", "agent", "--team", "GAP 9"), 1, "no such team"),
        (("create", "anna", "--name", "A", "--role", "king"), 2, "Invalid value for '--role'"),
        (("revoke", "nobody"), 1, "no such person"),
        (("invite", "nobody"), 1, "no such person"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, args, code, says):
    result = run("staff", *args)
    assert result.exit_code == code
    assert says in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("url", ["sqlite:///{}/empty.sqlite", "postgresql+psycopg://nobody:secret@127.0.0.1:1/none"])
def test_without_a_database_it_says_what_to_do(tmp_path, url):
    wiring = wire(Settings(environment="test", database_url=url.format(tmp_path)))
    command = next(each for each in people_commands(wiring, Alerts().work) if each.name == "bootstrap-admin")
    result = CliRunner().invoke(command)
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr
    wiring.database.dispose()


class TestDemo:
    def load(self, wiring, path, **wishes):
        with wiring.database.transaction() as session:
            return demo.load_demo(session, wiring.clock.now(), wiring.settings, path=path, **wishes)

    def test_its_accounts_work_and_only_their_owner_reads_them(self, wiring, tmp_path):
        path = tmp_path / "new" / "demo.json"
        accounts = self.load(wiring, path)
        content = json.loads(path.read_text())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert content["url"] == "http://127.0.0.1:5000"
        assert [demo.DemoAccount(**each) for each in content["accounts"]] == accounts == demo.read_demo(path)
        assert len({account.password for account in accounts}) == len(accounts) == 16 + 6 + 1 + 5
        for account in (accounts[0], accounts[-1]):
            with wiring.database.reading() as session:
                stored = sessions.credentials(session, account.login)
            assert Passwords().verify(stored.password_hash, account.password)

    def test_people_have_accounts_that_no_simulated_hand_moves(self, wiring, tmp_path):
        accounts = {account.login: account for account in self.load(wiring, tmp_path / "demo.json", teams=2, vehicles=1)}
        own = {login for login, account in accounts.items() if not account.simulated}
        assert own == {"agent", "driver", "operateur", "superviseur", "admin"}
        assert accounts["agent"].team_id not in {accounts["agent1"].team_id, accounts["agent4"].team_id}

    def test_loading_twice_changes_nothing(self, wiring, tmp_path):
        path = tmp_path / "demo.json"
        first = self.load(wiring, path)
        before = path.read_bytes()
        assert self.load(wiring, path) == first
        assert path.read_bytes() == before
        with wiring.database.reading() as session:
            assert session.query(Staff).count() == len(first)

    @pytest.mark.parametrize("broken", ["", "[]", "{", '{"accounts": 5}', '{"accounts": [5, {"login": "agent1"}]}'])
    def test_a_lost_file_is_made_again(self, wiring, tmp_path, broken):
        path = tmp_path / "demo.json"
        self.load(wiring, path)
        path.write_text(broken)
        accounts = self.load(wiring, path)
        with wiring.database.reading() as session:
            stored = sessions.credentials(session, "agent1")
        assert Passwords().verify(stored.password_hash, accounts[0].password)

    def test_more_teams_later(self, wiring, tmp_path):
        path = tmp_path / "demo.json"
        self.load(wiring, path, teams=1, vehicles=1)
        for account in self.load(wiring, path, teams=3, vehicles=2):
            with wiring.database.reading() as session:
                staff = session.query(Staff).filter_by(login=account.login).one()
            assert (str(staff.team_id) if staff.team_id else None) == account.team_id

    def test_production_has_no_demo(self, wiring, tmp_path):
        settings = Settings(environment="production", database_url="postgresql+psycopg://x/y")
        with wiring.database.transaction() as session, pytest.raises(demo.DemoRefused):
            demo.load_demo(session, wiring.clock.now(), settings, path=tmp_path / "demo.json")
        assert not (tmp_path / "demo.json").exists()

    def test_a_real_account_of_the_same_name_keeps_its_role(self, wiring, tmp_path):
        with wiring.database.transaction() as session:
            add_staff(session, "agent1", Role.OPERATOR, wiring.clock.now())
        self.load(wiring, tmp_path / "demo.json")
        with wiring.database.reading() as session:
            assert session.query(Staff).filter_by(login="agent1").one().role == "operator"
