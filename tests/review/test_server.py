"""Who is refused by the review page, without a browser: plain requests over a socket."""

import contextlib
import http.client
import json
import os
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from chaos_commands import killed_at
from fewshot import files
from fewshot.errors import InputError
from fewshot.masks.coco import read_coco
from fewshot.radiologists.review import mask_key

Headers = dict[str, str]


def request(
    address: str, path: str, headers: Headers | None = None, body: str | None = None
) -> tuple[int, str, http.client.HTTPMessage]:
    """Ask the server at an address for a path; a token only where `path` or `headers` has it."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.request("GET" if body is None else "POST", path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, text, answer.headers


def token_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["token"][0]


def decision(run: Path, verdict: str | None = "accept") -> str:
    soft = read_coco(run / "soft_labels" / "annotations.json")
    record = soft.records[0]
    key = mask_key(record, soft.masks_of(record.image_id).rles[0])
    return json.dumps({"key": key, "decision": verdict})


def test_the_page_is_on_loopback_and_names_no_secret_to_others(address: str) -> None:
    assert urlsplit(address).hostname == "127.0.0.1"
    status, text, headers = request(address, "/?token=" + token_of(address))
    assert status == 200
    assert "Review of soft labels" in text
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path", ["/", "/static/page.js", "/slices", "/slices/0", "/pictures/0", "/nothing"]
)
@pytest.mark.parametrize("token", ["", "?token=", "?token=wrong"])
def test_without_the_token_everything_is_refused(address: str, path: str, token: str) -> None:
    status, text, _ = request(address, path + token)
    assert status == 403
    assert "token" in text


def test_a_decision_without_the_token_is_refused_and_not_saved(
    address: str, soft_run: Path
) -> None:
    assert request(address, "/decisions", body=decision(soft_run))[0] == 403
    assert not (soft_run / "review.json").exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_hosts_and_origins_are_refused_even_with_the_token(
    address: str, soft_run: Path, headers: Headers
) -> None:
    port = str(urlsplit(address).port)
    sent = {name: value.replace("{port}", port) for name, value in headers.items()}
    sent["X-Fewshot-Token"] = token_of(address)
    assert request(address, "/decisions", sent, decision(soft_run))[0] == 403
    assert not (soft_run / "review.json").exists()


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}", "http://localhost:{port}"])
def test_the_page_itself_is_answered(address: str, soft_run: Path, origin: str) -> None:
    own = origin.replace("{port}", str(urlsplit(address).port))
    headers = {"X-Fewshot-Token": token_of(address), "Origin": own}
    status, text, _ = request(address, "/decisions", headers, decision(soft_run))
    assert status == 200
    assert list(json.loads(text)["decisions"].values()) == ["accept"]
    assert request(address, "/decisions", headers, decision(soft_run, None))[0] == 200
    assert json.loads((soft_run / "review.json").read_text())["masks"] == {}


def test_a_decision_that_was_overtaken_by_a_later_one_is_dropped(
    address: str, soft_run: Path
) -> None:
    headers = {"X-Fewshot-Token": token_of(address)}
    one = json.loads(decision(soft_run))
    for moment, verdict in ((5, "delete"), (3, "accept")):
        body = json.dumps({**one, "decision": verdict, "moment": moment})
        assert request(address, "/decisions", headers, body)[0] == 200
    kept = json.loads((soft_run / "review.json").read_text())["masks"]
    assert [entry["decision"] for entry in kept.values()] == ["delete"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ('{"key": 3, "decision": "accept"}', 400),
        ('{"key": "nobody", "decision": "accept"}', 400),
        ('{"key": "KEY", "decision": "maybe"}', 400),
        ('{"key": "KEY", "decision": "accept", "moment": "now"}', 400),
        ('{"key": "KEY", "decision": ["accept"]}', 400),
        ("x" * 10_000, 413),
        ("[" * 4000, 400),
        ("9" * 3900, 400),
        ('{"key": "\\ud800", "decision": "accept"}', 400),
        ('{"key": "KEY", "decision": "\\ud800"}', 400),
        # A moment far ahead would win over all decisions that follow.
        ('{"key": "KEY", "decision": "accept", "moment": ' + "9" * 3000 + "}", 400),
        ('{"key": "KEY", "decision": "accept", "moment": 4e15}', 400),
        ('{"key": "KEY", "decision": "accept", "moment": 9000000000000000}', 400),
        ('{"key": "KEY", "decision": "accept", "moment": -1}', 400),
        ('{"key": "KEY", "decision": "accept", "moment": true}', 400),
    ],
)
def test_what_is_no_decision_is_refused(
    address: str, soft_run: Path, body: str, status: int
) -> None:
    key = json.loads(decision(soft_run))["key"]
    headers = {"X-Fewshot-Token": token_of(address)}
    assert request(address, "/decisions", headers, body.replace("KEY", key))[0] == status
    assert not (soft_run / "review.json").exists()


@pytest.mark.parametrize(
    "path",
    [
        *("/slices/99", "/pictures/99", "/static/server.py", "/static/.."),
        *(f"/pictures/{'9' * 5000}", "/slices/-1", "/pictures/%D9%A3", "/slices/1e0"),
    ],
)
def test_what_is_not_there_is_not_found(address: str, path: str) -> None:
    assert request(address, path, {"X-Fewshot-Token": token_of(address)})[0] == 404


def test_a_port_that_is_taken_is_named(address: str, soft_run: Path) -> None:
    from fewshot.review.server import ReviewServer
    from fewshot.review.session import open_session

    port = urlsplit(address).port
    assert port is not None
    with pytest.raises(InputError, match=f"--port {port}: cannot be used"):
        ReviewServer(open_session(soft_run), port)


def test_there_must_be_soft_labels(tmp_path: Path) -> None:
    from fewshot.review.session import open_session

    with pytest.raises(InputError, match="contains no soft labels"):
        open_session(tmp_path)
    with pytest.raises(InputError, match="no such run directory"):
        open_session(tmp_path / "nowhere")


def test_a_body_in_parts_is_cut_off_whatever_its_length_is_said_to_be(
    address: str, soft_run: Path
) -> None:
    with socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)) as line:
        line.settimeout(20)
        head = [
            "POST /decisions HTTP/1.1",
            f"Host: {urlsplit(address).netloc}",
            f"X-Fewshot-Token: {token_of(address)}",
            "Content-Length: 10",
            "Transfer-Encoding: chunked",
        ]
        line.sendall("\r\n".join([*head, "", ""]).encode())
        part = b"1000\r\n" + b" " * 4096 + b"\r\n"
        sent = 0
        with contextlib.suppress(OSError):
            for _ in range(20_000):
                line.sendall(part)
                sent += len(part)
        answer = b""
        with contextlib.suppress(OSError):
            answer = line.recv(100)
    assert sent < 20_000 * len(part)  # it was cut off: 80 MB were not taken
    assert answer[9:12] in (b"413", b"400", b"")
    assert not (soft_run / "review.json").exists()


def keys_of(run: Path) -> list[str]:
    soft = read_coco(run / "soft_labels" / "annotations.json")
    return [
        mask_key(record, rle)
        for record in soft.records
        for rle in soft.masks_of(record.image_id).rles
    ]


def test_two_servers_of_one_review_lose_nothing(address: str, soft_run: Path) -> None:
    """One is of this process, the other one of another, which a forgotten terminal holds."""
    from fewshot.review.session import open_session

    headers = {"X-Fewshot-Token": token_of(address)}
    keys = keys_of(soft_run)
    child = os.fork()
    if child == 0:
        try:
            session = open_session(soft_run)
            for key in keys[::2]:
                session.decide(key, "reject")
            os._exit(0)
        finally:
            os._exit(1)
    for key in keys[1::2]:
        body = json.dumps({"key": key, "decision": "accept"})
        assert request(address, "/decisions", headers, body)[0] == 200
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    kept = json.loads((soft_run / "review.json").read_text())["masks"]
    assert {key: one["decision"] for key, one in kept.items()} == {
        key: "reject" if place % 2 == 0 else "accept" for place, key in enumerate(keys)
    }
    assert not (soft_run / ".review.lock").exists()


@pytest.mark.parametrize("what", ["pipe", "half", "other"])
def test_a_review_that_cannot_be_read_is_said_and_stays(
    address: str, soft_run: Path, what: str
) -> None:
    path = soft_run / "review.json"
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.write_text('{"form": "fewshot rev' if what == "half" else "{}")
    headers = {"X-Fewshot-Token": token_of(address)}
    status, text, _ = request(address, "/decisions", headers, decision(soft_run))
    assert status == 400
    assert text.startswith(str(path))
    assert request(address, "/static/page.css", headers)[0] == 200
    assert path.is_fifo() or len(path.read_text()) < 30


def test_a_kill_while_deciding_leaves_the_old_review_or_the_new_one(soft_run: Path) -> None:
    from fewshot.review.session import open_session

    first, second = keys_of(soft_run)[:2]
    session = open_session(soft_run)
    session.decide(first, "accept")
    for point in range(20):
        died = killed_at(point, lambda: session.decide(second, "reject"))
        kept = open_session(soft_run).decisions()
        assert kept == {first: "accept"} or (kept == {first: "accept", second: "reject"})
        files._forget_dead_writers.cache_clear()  # as the next start does
        session.decide(second, None)
        assert not list(soft_run.glob(".*part"))
        if not died:
            assert point >= 2
            return
    pytest.fail("it never ended")
