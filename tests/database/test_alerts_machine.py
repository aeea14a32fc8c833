"""Anything in any order: whatever people do and time brings, every invariant holds after every step."""

import contextlib
import uuid

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from backend.alerts.lifecycle import PENDING
from backend.alerts.models import Alert, Assignment
from backend.alerts.text_parsing import short_id
from backend.alerts.texting import Text, take
from backend.control_room import actions
from backend.errors import Refused
from backend.wiring import wire
from faults.invariants import check
from tests import migrated
from tests.fakes import FakeClock
from tests.night import Night

pick = st.integers(0, 10_000)
EXPECTED = {
    "action_impossible", "alert_over", "already_taken", "team_unavailable", "off_duty", "merge_impossible",
    "assignment_unknown", "team_engaged",
}  # fmt: skip


class Rescue(RuleBasedStateMachine):
    """One night in which everybody does whatever they can."""

    copies: migrated.SqliteCopies
    alerts: Bundle[uuid.UUID] = Bundle("alerts")

    @initialize(target=alerts)
    def evening(self):
        self.url = self.copies.copy(migrated.HEAD)
        clock = FakeClock()
        self.wiring = wire(migrated.settings(self.url), clock)
        self.night = Night(self.wiring, clock)
        self.phones = [self.night.phone() for _ in range(2)]
        self.teams = [self.night.team(metres) for metres in (100, 1500, 5000)]
        self.settled = False
        first = [self.night.raises(self.phones[0]), self.night.raises(self.phones[1], armed=True)]
        self.night.works()
        return multiple(*first)

    def teardown(self):
        if hasattr(self, "wiring"):
            self.wiring.database.dispose()
            self.copies.drop(self.url)

    @contextlib.contextmanager
    def attempt(self):
        """Refusing is an answer too, as long as it is one that was meant."""
        self.settled = False
        try:
            yield
        except Refused as refused:
            assert refused.code in EXPECTED, refused.code

    @rule(
        target=alerts,
        who=st.integers(0, 1),
        armed=st.booleans(),
        category=st.sampled_from(["assault", "antisocial"]),
        role=st.sampled_from(["victim", "witness"]),
        placed=st.booleans(),
    )
    def raises(self, who, armed, category, role, placed):
        with self.attempt():
            said = {"armed": armed, "category": category, "reporter_role": role, "contact_mode": "can_talk"}
            return self.night.raises(self.phones[who], at=0 if placed else None, **said)
        return multiple()

    @rule(seconds=st.sampled_from([0, 1, 5, 16, 20, 31, 61, 200]))
    def time_passes(self, seconds):
        self.night.clock.advance(seconds)
        self.night.everybody_stands()
        self.night.works()
        self.settled = True

    @rule(alert=alerts, which=pick, step=st.sampled_from(["accept", "accept", "decline", "set_off", "arrive", "clear"]))
    def a_team_acts(self, alert, which, step):
        asked = self.night.asked(alert, pending=which % 4 != 0)
        if asked:
            one: Assignment = asked[which % len(asked)]
            patrol = next(team for team in self.teams if team.id == one.team_id)
            with self.attempt():
                self.night.does(step, patrol, one.id)

    @rule(who=pick)
    def a_shift_ends(self, who):
        with self.attempt():
            self.night.leaves(self.teams[who % len(self.teams)])

    @rule(metres=st.sampled_from([50, 900, 3000]))
    def everybody_comes_on_duty(self, metres):
        for place, patrol in enumerate(self.teams):
            self.night.clocks_in(patrol)
            self.night.stands(patrol, metres + 100 * place)
        self.settled = False

    @rule(alert=alerts)
    def a_team_takes_it(self, alert):
        """The ordinary way, which chance alone would seldom find."""
        self.night.works()
        for one in self.night.asked(alert)[:1]:
            patrol = next(team for team in self.teams if team.id == one.team_id)
            with self.attempt():
                self.night.does("accept", patrol, one.id)

    @rule(alert=alerts, verdict=st.sampled_from(["pin", "duress", "unset"]))
    def the_rider_cancels(self, alert, verdict):
        with self.attempt():
            self.night.cancels(alert, verdict)

    @rule(alert=alerts, metres=st.integers(0, 3000), seq=st.integers(0, 20))
    def the_rider_moves(self, alert, metres, seq):
        with self.attempt():
            self.night.moves(alert, metres, seq)

    @rule(
        target=alerts,
        who=st.integers(0, 1),
        words=st.sampled_from(["au secours", "agression", "RTM=1;c=T;lt=+43.29;lg=+5.37", "RTM=1;c=A;k=WRONG;l=M1 vite"]),
    )
    def somebody_texts(self, who, words):
        taken = self.texts(who, words)
        return taken.alert_id if taken.outcome == "alert" else multiple()

    @rule(alert=alerts, who=st.integers(0, 1), words=st.sampled_from(["", " at the back"]))
    def a_text_about_an_alert_follows(self, alert, who, words):
        assert self.texts(who, f"RTM=1;u={short_id(alert)};c=A{words}").alert_id == alert

    @rule(target=alerts, who=st.integers(0, 1), armed=st.booleans(), again=st.booleans())
    def a_text_and_then_the_request(self, who, armed, again):
        alert = uuid.uuid4()
        self.texts(who, f"RTM=1;u={short_id(alert)};c=H")
        for _ in range(1 + again):
            self.night.raises(self.phones[who], alert_id=alert, armed=armed)
        return alert

    def texts(self, who, words):
        """What becomes of a text from one of two numbers: never a refusal."""
        self.settled = False
        self.handed_over = getattr(self, "handed_over", 0) + 1
        text = Text(f"gw-{self.handed_over}", f"+3361234567{who}", words, self.night.now)
        with self.night.session() as session:
            return take(session, text, b"key", self.night.now)

    @rule(alert=alerts, which=pick)
    def the_operator_asks_a_team(self, alert, which):
        team_id = self.teams[which % len(self.teams)].id
        with self.attempt():
            self.night.operates(lambda s, a, me, now: actions.assign(s, a, team_id, me, now), alert)

    @rule(alert=alerts, which=pick)
    def the_operator_takes_a_team_off(self, alert, which):
        asked = self.night.asked(alert)
        if asked:
            chosen = asked[which % len(asked)].id
            with self.attempt():
                self.night.operates(lambda s, a, me, now: actions.withdraw(s, a, chosen, me, now, None), alert)

    @rule(alert=alerts, what=st.sampled_from(["mark_seen", "acknowledge", "confirm_cancel", "refuse_cancel"]))
    def the_operator_answers(self, alert, what):
        with self.attempt():
            self.night.operates(getattr(actions, what), alert)

    @rule(alert=alerts)
    def the_operator_closes(self, alert):
        with self.attempt():
            self.night.operates(actions.close, alert, closing_code="victim_safe", legal_class=None, note=None)

    @rule(alert=alerts)
    def the_operator_takes_it_up_again(self, alert):
        with self.attempt():
            self.night.operates(actions.reopen, alert, "she called again")

    @rule(alert=alerts)
    def others_take_over(self, alert):
        with self.attempt():
            self.night.operates(actions.hand_over, alert, to="17", note=None)

    @rule(alert=alerts, priority=st.integers(1, 4))
    def the_operator_knows_better(self, alert, priority):
        with self.attempt():
            self.night.operates(actions.set_priority, alert, priority=priority, reason="knows")

    @rule(alert=alerts, into=alerts)
    def the_operator_merges(self, alert, into):
        with self.attempt():
            self.night.operates(lambda s, a, me, now: actions.merge(s, a, into, me, now), alert)

    @invariant()
    def every_promise_holds(self):
        if hasattr(self, "night"):
            with self.wiring.database.reading() as session:
                check(session, self.night.now if self.settled else None)


@pytest.mark.timeout(240)
def test_whatever_happens_every_promise_holds(sqlite_copies):
    Rescue.copies = sqlite_copies
    machine = Rescue.TestCase
    machine.settings = settings(
        max_examples=25,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # A shorter example would take minutes to find: with Phase.shrink it is found where somebody looks for it.
        phases=set(Phase) - {Phase.shrink, Phase.explain},
    )
    machine("runTest").runTest()


def test_the_checker_sees_what_is_wrong(night):
    team = night.team()
    alert_id = night.raises()
    night.taken(team, alert_id)
    with night.database.reading() as session:
        alert = session.get_one(Alert, alert_id)
        alert.version += 1
        alert.state = "open"
        alert.next_round_at = night.now
        with pytest.raises(AssertionError) as caught, session.no_autoflush:
            check(session)
        session.rollback()
    for promise in ("I13", "I2", "teams are"):
        assert promise in str(caught.value)
    assert {one.state for one in night.asked(alert_id)} <= PENDING
