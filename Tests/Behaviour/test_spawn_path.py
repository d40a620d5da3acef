# SPDX-License-Identifier: Apache-2.0
"""Which file is executed: the search of execvp(3), in the environment, directory and identity the program will have."""

import os

import pytest
import wire
from support import NOBODY, ROOT, install, output_of, script, start_failure

FOUND = (b"found\n", 0)


@pytest.fixture
def dirs(room):
    """Two directories, to be elements of PATH."""
    for name in ("one", "two"):
        (room / name).mkdir()
    return room / "one", room / "two"


def tool(directory, says="found", mode=0o755, name="tool"):
    return script(directory, name, "#!/bin/sh\necho %s\n" % says, mode)


def run(client, argv, **params):
    record, output = output_of(client, argv, **params)
    return output, record["exit"].get("code")


def path(*directories):
    return {"PATH": ":".join(str(directory) for directory in directories)}


def test_the_programs_own_path_is_searched(client, dirs):
    tool(dirs[1])
    assert run(client, ["tool"], env=path(*dirs)) == FOUND


def test_not_the_servers_path(client, dirs):
    start_failure(client, ["true"], "exec", "ENOENT", path="true", env=path(*dirs))


def test_file_instead_of_argv_0(client, dirs):
    tool(dirs[0])
    assert run(client, ["something else"], file="tool", env=path(*dirs)) == FOUND


def test_first_match_wins(client, dirs):
    tool(dirs[0], "first")
    tool(dirs[1], "second")
    assert run(client, ["tool"], env=path(*dirs)) == (b"first\n", 0)


def test_not_executable_goes_on(client, dirs):
    tool(dirs[0], mode=0o644)
    tool(dirs[1])
    assert run(client, ["tool"], env=path(*dirs)) == FOUND


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_eacces_wins_over_enoent(client, dirs, order):
    tool(dirs[0], mode=0o644)
    start_failure(client, ["tool"], "exec", "EACCES", path="tool", env=path(*(dirs[i] for i in order)))


def test_a_directory_of_that_name_goes_on(client, dirs):
    (dirs[0] / "tool").mkdir()
    start_failure(client, ["tool"], "exec", "EACCES", path="tool", env=path(*dirs))
    tool(dirs[1])
    assert run(client, ["tool"], env=path(*dirs)) == FOUND


def test_a_file_in_path_goes_on(client, dirs):
    tool(dirs[0])
    assert run(client, ["tool"], env=path(dirs[0] / "tool", "/nonexistent", dirs[0])) == FOUND


def test_enoexec_is_an_error_and_stops_the_search(client, dirs):
    script(dirs[0], "tool", "echo never\n")
    tool(dirs[1])
    start_failure(client, ["tool"], "exec", "ENOEXEC", path="tool", env=path(*dirs))


def test_an_empty_file_is_enoexec(client, dirs):
    name = script(dirs[0], "empty", "")
    start_failure(client, [name], "exec", "ENOEXEC", path=name)


def test_a_missing_interpreter(client, dirs):
    name = script(dirs[0], "tool", "#!/nonexistent/interpreter\n")
    start_failure(client, [name], "exec", "ENOENT", path=name)
    tool(dirs[1])
    assert run(client, ["tool"], env=path(*dirs)) == FOUND


def test_no_path_means_bin_and_usr_bin(client, dirs):
    assert run(client, ["sh", "-c", "echo found"], env={"PATH": None}) == FOUND
    assert run(client, ["sh", "-c", "echo found"], env_base="empty") == FOUND
    tool(dirs[0])
    start_failure(client, ["tool"], "exec", "ENOENT", env={"PATH": None}, cwd=str(dirs[0]))


@pytest.mark.parametrize("value", ["", ":", ":/nonexistent", "/nonexistent:", "/nonexistent::/bin"])
def test_an_empty_element_is_the_cwd(client, dirs, value):
    tool(dirs[0])
    assert run(client, ["tool"], env={"PATH": value}, cwd=str(dirs[0])) == FOUND


def test_a_relative_element_starts_at_the_cwd(client, dirs, room):
    tool(dirs[0])
    assert run(client, ["tool"], env={"PATH": "one"}, cwd=str(room)) == FOUND


def test_a_slash_means_no_search(client, dirs, room):
    tool(dirs[0])
    start_failure(client, ["./tool"], "exec", "ENOENT", path="./tool", env=path(*dirs), cwd=str(room))
    assert run(client, ["one/tool"], env=path(*dirs), cwd=str(room)) == FOUND
    assert run(client, ["./tool"], cwd=str(dirs[0])) == FOUND


def test_candidates_are_taken_as_they_are(client, dirs, room):
    good = tool(dirs[1])
    assert run(client, ["tool"], file=["/nonexistent/tool", str(dirs[0] / "tool"), good]) == FOUND
    start_failure(client, ["true"], "exec", "ENOENT", file=["true"], cwd=str(room))
    assert run(client, ["true"], file=["tool"], cwd=str(dirs[1])) == FOUND


def test_candidates_follow_the_rules_of_the_search(client, dirs):
    bad = tool(dirs[0], mode=0o644)
    good = tool(dirs[1])
    assert run(client, ["tool"], file=[bad, good]) == FOUND
    start_failure(client, ["tool"], "exec", "EACCES", file=[bad, "/nonexistent"])
    text = script(dirs[0], "text", "nothing\n")
    start_failure(client, ["tool"], "exec", "ENOEXEC", file=[text, good])


def test_file_bytes(client, dirs, zoo):
    name = os.path.join(os.fsencode(dirs[0]), b"\xfftool")
    install(zoo("exits"), os.fsdecode(os.path.dirname(name)), os.fsdecode(b"\xfftool"))
    assert run(client, ["x", "9"], file=wire.base64_of(name)) == (b"", 9)
    start_failure(client, ["x"], "exec", "ENOENT", path=wire.base64_of(name + b"2"), file=wire.base64_of(name + b"2"))


@pytest.mark.parametrize("name", ["", "/", ".", "/nonexistent", "nosuch", "/dev/null", "a" * 300])
def test_names_that_name_no_program(client, name):
    expected = {"": "ENOENT", "/": "EACCES", ".": "EACCES", "/dev/null": "EACCES", "a" * 300: "ENAMETOOLONG"}
    error = start_failure(client, [name], "exec", expected.get(name, "ENOENT"), path=name)
    assert error.message


def test_too_many_links(client, dirs):
    os.symlink("loop", dirs[0] / "loop")
    start_failure(client, [str(dirs[0] / "loop")], "exec", "ELOOP")


def test_busy_text_is_an_error_in_the_end(client, dirs, zoo):
    name = install(zoo("exits"), dirs[0], "busy")
    with open(name, "r+b"):
        start_failure(client, [name], "exec", "ETXTBSY", path=name)
    assert run(client, [name, "3"]) == (b"", 3)


def test_text_busy_for_a_moment_is_no_error(client, dirs, zoo):
    """golang #22315: somebody's fork holds the file they have just written."""
    name = install(zoo("exits"), dirs[0], "busy")
    with open(name, "r+b"):
        identifier = client.start("spawn", {"argv": [name, "3"]})
    assert client.finish(identifier)["state"] in ("running", "exited")


def test_the_search_has_the_programs_identity(client, dirs):
    """In the child, after the ids: a directory only root may search is EACCES for another user."""
    tool(dirs[0])
    dirs[0].chmod(0o700)
    if ROOT:
        start_failure(client, ["tool"], "exec", "EACCES", env=path(*dirs), user=NOBODY, group=NOBODY, groups=[])
        tool(dirs[1])
        assert run(client, ["tool"], env=path(*dirs), user=NOBODY, group=NOBODY, groups=[]) == FOUND
    else:
        dirs[0].chmod(0)
        start_failure(client, ["tool"], "exec", "EACCES", env=path(*dirs))
    assert run(client, ["sh", "-c", "echo found"], env=path("/bin")) == FOUND
