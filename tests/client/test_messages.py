"""The tables of messages: the vectors, and round trips of whatever they allow."""

import pytest
from dblend import messages, shapes, wire
from dblend.errors import Malformed
from vectors import LIMITS, bytes_of, load, name_of

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")


@pytest.mark.parametrize("vector", load("messages"), ids=name_of)
def test_the_messages_of_the_vectors_are_messages(vector):
    messages.check(vector["value"], vector["side"])


@pytest.mark.parametrize("vector", [one for one in load("malformed") if "value" in one], ids=name_of)
def test_what_the_vectors_call_malformed_is(vector):
    body = wire.decode(bytes_of(vector["hex"]), LIMITS[vector["side"]])
    with pytest.raises(Malformed) as refused:
        messages.check(body, vector["side"])
    assert refused.value.fault == vector["reject"]


def texts(least, most):
    """Of so many bytes of UTF-8, no NUL."""
    letters = st.characters(blacklist_categories=("Cs",), blacklist_characters="\0")
    sized = st.text(letters, min_size=least, max_size=min(most, 40))
    return sized.filter(lambda text: least <= len(text.encode()) <= most)


def ranges(gaps):
    """Flat frame ranges of (gap before, length, step)."""
    at, flat = -shapes.FRAME_MAX, []
    for gap, length, step in gaps:
        flat += [at + gap, at + gap + length, step]
        at += gap + length + 1
    return flat


def fields_of(fields):
    needed = {key: values_of(kind) for key, kind in fields.items()
              if not isinstance(kind, shapes.Optional)}
    free = {key: st.none() | values_of(kind.kind) for key, kind in fields.items()
            if isinstance(kind, shapes.Optional)}
    return st.fixed_dictionaries(needed, optional=free)


def merged(parts):
    return {**parts[0], **parts[1]}


def choice_of(kind):
    def of_word(word):
        fixed = {**kind.fields, kind.chosen_by: shapes.Word(word)}
        return st.tuples(fields_of(fixed), fields_of(kind.choices[word])).map(merged)

    return st.sampled_from(sorted(kind.choices)).flatmap(of_word)


STRATEGIES = {
    shapes.Integer: lambda kind: st.integers(kind.least, kind.most),
    shapes.Flag: lambda kind: st.booleans(),
    shapes.Text: lambda kind: texts(kind.least, kind.most),
    shapes.Pattern: lambda kind: st.from_regex(kind.expression, fullmatch=True).filter(
        lambda text: len(text) < 1000 and "\0" not in text),
    shapes.Word: lambda kind: st.sampled_from(kind.words),
    shapes.Items: lambda kind: st.lists(values_of(kind.kind), max_size=min(kind.most, 3)),
    shapes.Dictionary: lambda kind: st.dictionaries(texts(1, 64), values_of(kind.kind), max_size=3),
    shapes.Shape: lambda kind: fields_of(kind.fields),
    shapes.Choice: choice_of,
    shapes.FrameRanges: lambda kind: st.lists(
        st.tuples(*[st.integers(1, 1000)] * 3), max_size=5).map(ranges),
}


def values_of(kind):
    return STRATEGIES[type(kind)](kind)


KINDS = [(side, kind) for side, table in messages.SIDES.items() for kind in table]


@pytest.mark.parametrize("side, kind", KINDS, ids=[f"{side}-{kind}" for side, kind in KINDS])
def test_every_message_comes_back_as_it_went(side, kind):
    @hypothesis.settings(max_examples=20, deadline=None, database=None,
                         suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(values_of(messages.SIDES[side][kind]))
    def round_trip(fields):
        body = {"v": 1, "t": kind, **fields}
        messages.check(body, side)
        back = wire.decode(wire.encode({key: body[key] for key in body if key != "v"}, LIMITS[side]),
                           LIMITS[side])
        assert back == body
        messages.check(back, side)

    round_trip()


@hypothesis.settings(max_examples=200, deadline=None, database=None)
@hypothesis.given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data):
    for limits in LIMITS.values():
        try:
            body = wire.decode(data, limits)
        except Malformed:
            continue
        assert wire.decode(wire.encode({**body, "v": 1}, limits), limits) == {**body, "v": 1}


@pytest.mark.parametrize("message, side, fault", [
    ({"v": 1, "t": "HELLO"}, "from-worker", "unknown-type"),
    ({"v": True, "t": "HELLO"}, "from-submitter", "malformed"),
    ({"v": 2, "t": "HELLO"}, "from-submitter", "version"),
    ({"v": 1, "t": ["HELLO"]}, "from-submitter", "unknown-type"),
    ({"v": 1, "t": "SHOW", "job": True}, "from-submitter", "malformed"),
    ({"v": 1, "t": "SHOW", "job": None}, "from-submitter", "malformed"),
    ({"v": 1, "t": "WAIT", "jobs": [1] * 4097, "wait_ms": 0}, "from-submitter", "malformed"),
    ({"v": 1, "t": "LIST", "all": 1}, "from-submitter", "malformed"),
    ({"v": 1, "t": "CLEAR", "key": "é" * 65}, "from-submitter", "malformed"),
])
def test_what_is_no_message(message, side, fault):
    with pytest.raises(Malformed) as refused:
        messages.check(message, side)
    assert refused.value.fault == fault


def test_a_fault_names_its_place():
    with pytest.raises(Malformed, match=r"holding\[0\]\.phase: not one of"):
        messages.check({"v": 1, "t": "SYNC", "session": 1, "seq": 1, "seen": 0, "state": "idle",
                        "holding": [{"claim": 1, "phase": "x"}], "reports": [], "want": 0},
                       "from-worker")
    with pytest.raises(Malformed, match="jobs: missing"):
        messages.check_answer("LIST", {"t": "OK", "more": False})
