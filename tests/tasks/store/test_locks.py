"""A lock has one holder, or many who share it; and a lock on a file that is gone protects nothing."""

import pytest

from tasks.store.locks import Busy, Lock


def test_one_holder_excludes_all_others_and_leaves_no_file(tmp_path):
    ours, theirs = Lock(tmp_path / "a"), Lock(tmp_path / "a")
    with ours:
        assert not theirs.acquire()
        with pytest.raises(Busy, match="held by another process"), theirs:
            pass
    assert not list(tmp_path.iterdir())
    assert not theirs.abandoned()
    with theirs:
        pass


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_on_the_new_one(tmp_path, monkeypatch):
    """The last holder removes the file between our open and our lock."""
    import fcntl

    ours, theirs, real = Lock(tmp_path / "a"), Lock(tmp_path / "a"), fcntl.flock
    theirs.acquire()

    def late(fd, how):
        theirs.release()
        real(fd, how)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", late)
        assert ours.acquire()
    assert not theirs.acquire()


def test_those_who_share_keep_out_who_wants_it_alone(tmp_path):
    first, second, alone = (Lock(tmp_path / "a", lasting=True) for _ in range(3))
    assert first.acquire(shared=True) and second.acquire(shared=True)
    assert not alone.acquire()
    first.release()
    assert second.acquire()  # the last one who shares may take it for itself
    assert not first.acquire(shared=True)
    second.release()
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and alone.acquire()


def test_who_waits_for_a_lock_may_be_stopped(tmp_path):
    def stop():
        raise KeyboardInterrupt

    with Lock(tmp_path / "a"), pytest.raises(KeyboardInterrupt):
        Lock(tmp_path / "a").wait(60, stop)
