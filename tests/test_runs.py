"""The shelf of finished runs: one flight, bounded, forgotten in time."""

import threading
import time

import pytest

from demos.kit.inputs import InputError
from demos.kit.runs import Runs


def shelf(max_bytes=100, seconds=60, clock=time.monotonic):
    return Runs(max_bytes=max_bytes, seconds=seconds, size=len, clock=clock)


def test_equal_requests_at_the_same_time_run_once():
    runs, made, got = shelf(), [], []

    def make():
        made.append(1)
        time.sleep(0.05)
        return "run"

    threads = [threading.Thread(target=lambda: got.append(runs.run(("a", 1), make))) for _ in range(20)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(made) == 1
    assert len(set(got)) == 1
    key, run = got[0]
    assert runs.find(key) is run


def test_other_inputs_run_beside_each_other():
    runs, both = shelf(), threading.Barrier(2, timeout=5)

    def make():
        both.wait()  # passes only if the other runs at the same time
        return "run"

    threads = [threading.Thread(target=runs.run, args=(n, make)) for n in (1, 2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert runs.nbytes == 6


def test_minus_zero_and_one_are_not_one_key():
    runs = shelf()
    keys = {runs.run(value, lambda: "x")[0] for value in (0.0, -0.0, -1.0, -2.0, 1, True, "1")}
    assert len(keys) == 7


def test_least_recently_used_goes_first_and_the_newest_stays():
    runs = shelf(max_bytes=10)
    a, b = (runs.run(name, lambda: "1234")[0] for name in "ab")
    runs.find(a)
    c, _ = runs.run("c", lambda: "1234")
    assert runs.find(a) and runs.find(c)
    with pytest.raises(InputError, match="no longer kept"):
        runs.find(b)
    big, _ = runs.run("big", lambda: "x" * 50)
    assert runs.find(big) and runs.nbytes == 50


def test_a_run_is_forgotten_after_its_time():
    now = [0.0]
    runs = shelf(seconds=60, clock=lambda: now[0])
    key, _ = runs.run("a", lambda: "x")
    now[0] = 59
    assert runs.find(key) == "x"
    now[0] = 118
    assert runs.find(key) == "x"
    now[0] = 179
    with pytest.raises(InputError, match="1 minutes"):
        runs.find(key)
    assert runs.nbytes == 0


def test_an_error_is_not_kept():
    runs = shelf()
    with pytest.raises(ZeroDivisionError):
        runs.run("a", lambda: 1 // 0)
    assert not runs._places  # nor is its place, or failures would fill the memory
    assert runs.run("a", lambda: "ok")[1] == "ok"


def test_keys_cannot_be_guessed_from_the_inputs():
    assert shelf().run("a", lambda: "x")[0] != shelf().run("a", lambda: "x")[0]


def test_a_growing_run_is_shown_to_one_and_kept_for_the_others():
    runs, made = shelf(), []

    def grow():
        made.append(1)
        for text in ("a", "ab", "abc"):
            time.sleep(0.01)
            yield text

    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append([run for _, run in runs.stream("x", grow)]))
        for _ in range(5)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(made) == 1
    assert sorted(seen) == [["a", "ab", "abc"], *[["abc"]] * 4]
    assert runs.nbytes == 3


def test_a_growing_run_that_nobody_listens_to_is_not_kept():
    runs = shelf()
    growing = runs.stream("x", lambda: iter(["a", "ab"]))
    key, first = next(growing)
    assert first == "a"
    growing.close()
    assert not runs._places
    with pytest.raises(InputError, match="no longer kept"):
        runs.find(key)
    assert [run for _, run in runs.stream("x", lambda: iter(["a", "ab"]))] == ["a", "ab"]
