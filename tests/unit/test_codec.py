"""Entries to bytes and back: canonical by another's measure, and nothing else is read."""

import json

import pytest
import rfc8785
from hypothesis import given as for_any
from hypothesis import strategies as st
from made_of import ENTRY_CLASSES, entries, sample
from samples import booked, scheduled

from ledger.codec import INTEGER_MAX, UPCASTS, UnreadablePayload, decode, encode
from ledger.entries import Entry

each_type = pytest.mark.parametrize("entry_class", ENTRY_CLASSES, ids=lambda each: each.__name__)


@each_type
@for_any(data=st.data())
def test_what_is_written_is_read_again(entry_class: type[Entry], data: st.DataObject) -> None:
    entry = data.draw(entries(entry_class))
    assert decode(*encode(entry)) == entry


@each_type
@for_any(data=st.data())
def test_the_payload_is_canonical_by_rfc_8785(
    entry_class: type[Entry], data: st.DataObject
) -> None:
    _, _, payload = encode(data.draw(entries(entry_class)))
    assert payload == rfc8785.dumps(json.loads(payload))


@each_type
def test_a_field_more_or_less_is_not_read(entry_class: type[Entry]) -> None:
    type_name, version, payload = encode(sample(entry_class))
    fields = json.loads(payload)
    changed = [fields | {"more": None}]
    changed += [{name: fields[name] for name in fields if name != left_out} for left_out in fields]
    for each in changed:
        with pytest.raises(UnreadablePayload, match="fields are"):
            decode(type_name, version, rfc8785.dumps(each))


@each_type
def test_a_field_of_another_type_is_not_read(entry_class: type[Entry]) -> None:
    type_name, version, payload = encode(sample(entry_class))
    fields = json.loads(payload)
    for name in fields:
        wrong: object
        for wrong in (1.5, {"a": 1}, True, [[[]]]):
            with pytest.raises(UnreadablePayload):
                decode(type_name, version, rfc8785.dumps(fields | {name: wrong}))


@each_type
@pytest.mark.parametrize("version", [-1, 0, 99])
def test_an_unknown_schema_version_is_not_read(entry_class: type[Entry], version: int) -> None:
    type_name, _, payload = encode(sample(entry_class))
    with pytest.raises(UnreadablePayload, match="unknown schema version"):
        decode(type_name, version, payload)


def test_an_unknown_type_is_not_read() -> None:
    with pytest.raises(UnreadablePayload, match="unknown entry type"):
        decode("SeatsSold", 1, b"{}")


TYPE, VERSION, PAYLOAD = encode(booked(3))


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="no object"),
        pytest.param(b"[]", id="an array"),
        pytest.param(PAYLOAD[:-1], id="cut off"),
        pytest.param(PAYLOAD + b" ", id="a space at the end"),
        pytest.param(PAYLOAD.replace(b":", b": "), id="a space within"),
        pytest.param(PAYLOAD.replace(b":3", b":3.0"), id="an integer written as a float"),
        pytest.param(PAYLOAD.replace(b":3", b":3e0"), id="an integer with an exponent"),
        pytest.param(PAYLOAD.replace(b"quantity", b"quant\\u0069ty"), id="a needless escape"),
        pytest.param(b'{"user_id":"x",' + PAYLOAD[1:], id="a key twice"),
        pytest.param(b"\xef\xbb\xbf" + PAYLOAD, id="a byte order mark"),
        pytest.param(PAYLOAD.replace(b"quantity", b"\xed\xa0\x80"), id="a lone surrogate"),
        pytest.param(PAYLOAD.replace(b"quantity", b"\\ud800"), id="a lone surrogate, escaped"),
        pytest.param(PAYLOAD.replace(b"quantity", b"\xff"), id="no UTF-8"),
    ],
)
def test_bytes_that_are_not_canonical_are_not_read(payload: bytes) -> None:
    assert payload != PAYLOAD
    with pytest.raises(UnreadablePayload, match=r"SeatsBooked: (not|fields|3\.0 is not)"):
        decode(TYPE, VERSION, payload)


def test_keys_out_of_order_are_not_read() -> None:
    fields = dict(reversed(json.loads(PAYLOAD).items()))
    with pytest.raises(UnreadablePayload, match="not canonical"):
        decode(TYPE, VERSION, json.dumps(fields, separators=(",", ":")).encode())


@pytest.mark.parametrize("text", ["A1", "{}", "A1-B", "0190" * 8, "urn:uuid:" + "0" * 32, ""])
def test_an_id_in_another_form_is_not_read(text: str) -> None:
    fields = json.loads(PAYLOAD) | {"user_id": text}
    with pytest.raises(UnreadablePayload):
        decode(TYPE, VERSION, rfc8785.dumps(fields))


def test_an_id_in_capitals_is_not_read() -> None:
    fields = json.loads(PAYLOAD) | {"user_id": "0190ABCD-0000-7000-8000-000000000000"}
    with pytest.raises(UnreadablePayload, match="canonical form"):
        decode(TYPE, VERSION, rfc8785.dumps(fields))


@pytest.mark.parametrize("number", [INTEGER_MAX, -INTEGER_MAX])
def test_integers_up_to_2_to_the_53_are_written(number: int) -> None:
    assert decode(*encode(booked(number))) != booked(number + 1)


@pytest.mark.parametrize("number", [INTEGER_MAX + 1, -INTEGER_MAX - 1, 2**63, 2**64])
def test_integers_from_2_to_the_53_on_are_neither_written_nor_read(number: int) -> None:
    with pytest.raises(ValueError, match="SeatsBooked"):
        encode(booked(number))
    with pytest.raises(UnreadablePayload):
        decode(TYPE, VERSION, PAYLOAD.replace(b":3", b":%d" % number))


@pytest.mark.parametrize("name", ["\0", "a\0b", "\ud800", "a\udfffb"])
def test_nul_and_lone_surrogates_are_not_written(name: str) -> None:
    with pytest.raises(ValueError, match="EventScheduled"):
        encode(scheduled(name=name))


def test_nul_is_not_read() -> None:
    type_name, version, payload = encode(scheduled(name="A"))
    with pytest.raises(UnreadablePayload, match="NUL"):
        decode(type_name, version, payload.replace(b'"A"', b'"\\u0000"'))


def test_the_text_of_an_escape_is_no_nul() -> None:
    entry = scheduled(name="\\u0000")
    assert decode(*encode(entry)) == entry


def test_text_is_kept_as_it_was_written() -> None:
    """No Unicode normalisation: two spellings of one word stay two."""
    composed, decomposed = scheduled(name="\u00e9"), scheduled(name="e\u0301")
    assert encode(composed)[2] != encode(decomposed)[2]
    assert decode(*encode(decomposed)) == decomposed


@pytest.mark.parametrize("upcast_from", UPCASTS, ids=str)
def test_bytes_that_are_none_of_an_older_schema_are_not_read(
    upcast_from: tuple[str, int],
) -> None:
    for payload in (b"{}", b'{"quantity":null}', b'{"quantity":"3"}', b'{"more":1}'):
        with pytest.raises(UnreadablePayload):
            decode(*upcast_from, payload)
