from pathlib import Path

import pytest

from loadtest.replies import Reply, read_accepted, read_k6_replies

USERS = ["ann", "bob", "cid"]


def k6_file(folder: Path, *lines: str) -> Path:
    path = folder / "replies"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_reply_belongs_to_the_user_of_its_iteration(tmp_path: Path) -> None:
    path = k6_file(tmp_path, '2 340 12.500 201 {"booking_id": "b"}', "0 7 0.125 409 {}")
    assert list(read_k6_replies(path, USERS)) == [
        Reply("cid", 201, {"booking_id": "b"}, at_seconds=0.34, waited_seconds=0.0125),
        Reply("ann", 409, {}, at_seconds=0.007, waited_seconds=0.000125),
    ]


def test_a_line_of_another_kind_is_not_passed_over(tmp_path: Path) -> None:
    path = k6_file(tmp_path, "0 7 0.125 409 {}", "and now for something else")
    with pytest.raises(ValueError, match="invalid literal"):
        list(read_k6_replies(path, USERS))


@pytest.mark.parametrize("text", ["", "dial: connection refused", "<html>", "[1]", '"text"'])
def test_an_answer_that_is_no_json_object_has_an_empty_body(tmp_path: Path, text: str) -> None:
    (reply,) = read_k6_replies(k6_file(tmp_path, f"0 7 0.125 500 {text}"), USERS)
    assert reply.body == {}


@pytest.mark.parametrize(
    ("status", "code", "accepted", "refused", "unknown"),
    [
        (201, None, True, False, False),
        (409, "sold-out", False, True, False),
        (409, "sales-closed", False, False, False),
        (404, "user-not-found", False, False, False),
        (500, None, False, False, True),
        (503, "unavailable", False, False, True),
        (0, None, False, False, True),
    ],
)
def test_only_a_clear_answer_settles_an_attempt(
    status: int, code: str | None, accepted: bool, refused: bool, unknown: bool
) -> None:
    reply = Reply("ann", status, {"code": code})
    assert (reply.accepted, reply.refused, reply.unknown) == (accepted, refused, unknown)


def test_bodies_that_the_generator_kept_are_accepted_replies(tmp_path: Path) -> None:
    path = tmp_path / "bodies"
    path.write_text('{"user_id": "ann", "booking_id": "b1"}\n{"user_id": "bob"}')
    assert list(read_accepted(path)) == [
        Reply("ann", 201, {"user_id": "ann", "booking_id": "b1"}),
        Reply("bob", 201, {"user_id": "bob"}),
    ]
