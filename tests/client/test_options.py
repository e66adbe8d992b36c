"""Job options: what Python queues is what `dblend add` queues, and both refuse in the same words."""

import json
import os
import random
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from dblend import blendfile, kept
from dblend.errors import FileRefused, UsageError
from dblend.farm import Farm
from dblend.frame_list import parse
from dblend.options import OPTIONS, read
from dblend.spec import SpecMaker

# Options as a person types them; those without a value are flags.
GOOD = [
    {},
    {"frames": "1-250"}, {"frames": "1-250x5"}, {"frames": "-5--1"}, {"frames": "7,9, 3 ,end,current"},
    {"frames": "start"}, {"frames": "10-20x3,1-3,4,5-6"}, {"frames": "1-10,5-30x5"},
    {"frames": "1-9X2,11"}, {"frames": "1-5x99999999999"}, {"frames": "-1048574-1048574"},
    {"scene": "Scene.001"}, {"name": "shot 42 \u00e9"}, {"priority": "0"}, {"priority": "+100"},
    {"samples": " 16"}, {"samples": "+" + "0" * 5000 + "8"}, {"samples": "16777216"}, {"percentage": "1000"}, {"attempts": "1"},
    {"stall": "604800"}, {"max-frame-time": "1"}, {"placeholder-timeout": "31536000"},
    {"min-frame-time": "0.5"}, {"min-frame-time": "0"}, {"min-frame-time": ".0004"},
    {"min-frame-time": "1.0005"}, {"min-frame-time": "86400"}, {"min-frame-time": "7."},
    {"engine": "cycles"}, {"engine": "stra\u00dfe"}, {"format": "open_exr"}, {"order": "last"},
    {"order": "every:7"}, {"order": "every:2097149"}, {"unbaked": "allow"},
    {"device-type": "OptiX,cuda"}, {"device-type": "metal"}, {"output": "//a/b-####"},
    {"output": "./././x"}, {"output": "a/../b"}, {"output": "/tmp/x####"}, {"output": "."},
    {"render-folder": "out"}, {"render-folder": "/out/"}, {"output": "./"}, {"output": "a" * 3000},
    *({name.replace("_", "-"): None} for name, option in OPTIONS.items() if option.flag),
    {"frames": "1-3", "samples": "4", "percentage": "50", "no-denoise": None, "keep": None,
     "priority": "80", "engine": "BLENDER_EEVEE", "output": "x/####", "name": "all"},
]

BAD = [
    {"frames": ""}, {"frames": "1,"}, {"frames": ","}, {"frames": "a"}, {"frames": "9-1"},
    {"frames": "1-"}, {"frames": "1-5x"}, {"frames": "1-5x0"}, {"frames": "1-5x-2"}, {"frames": "1x2"},
    {"frames": "1048575"}, {"frames": "-1048575"}, {"frames": "1234567890123"}, {"frames": "1 - 3"},
    {"frames": "1-1234567890123"}, {"frames": "1-2-3"}, {"frames": "\t"}, {"frames": "1,\x1b[2J"},
    {"frames": "x" * 100}, {"frames": "Start"}, {"frames": "\u0661"}, {"frames": "--1"}, {"frames": "1.5"},
    {"frames": ",".join(f"{4 * i},{4 * i + 1}" for i in range(4097))},
    {"scene": ""}, {"scene": "x" * 4097}, {"name": ""}, {"engine": ""}, {"format": ""},
    {"samples": ""}, {"samples": "0"}, {"samples": "16777217"}, {"samples": "4.0"}, {"samples": "0x10"},
    {"samples": "1_0"}, {"samples": "5 "}, {"samples": "9" * 25}, {"samples": "a" * 90},
    {"samples": "\u0661"}, {"samples": "\x1b[2J"}, {"samples": "-"},
    {"percentage": "1001"}, {"priority": "-1"}, {"priority": "101"}, {"attempts": "1001"},
    {"stall": "0"}, {"stall": "604801"}, {"max-frame-time": "604801"}, {"placeholder-timeout": "0"},
    {"min-frame-time": ""}, {"min-frame-time": "-1"}, {"min-frame-time": "1e3"},
    {"min-frame-time": "1.2.3"}, {"min-frame-time": "."}, {"min-frame-time": "86400.1"},
    {"min-frame-time": " 1"}, {"min-frame-time": "nan"}, {"order": ""}, {"order": "every"},
    {"order": "every:0"}, {"order": "every:2097150"}, {"order": "every:12345678"}, {"order": "First"},
    {"unbaked": ""}, {"unbaked": "order "}, {"device-type": ""}, {"device-type": "optix,"},
    {"device-type": "cuda,CUDA"}, {"device-type": "cpu"}, {"device-type": "h\u0131p"},
    {"output": ""}, {"render-folder": ""}, {"output": "x" * 4096}, {"output": "/" + "x" * 4096},
    {"keep": None, "overwrite": None}, {"trust-scripts": None, "no-scripts": None},
    {"output": "a", "render-folder": "b"}, {"samples": "0", "percentage": "0"},
]


def words_of(options):
    return [f"--{name}" if value is None else f"--{name}={value}" for name, value in options.items()]


def given_of(options):
    """The same as keywords, as a table or a script has them."""
    return {name.replace("-", "_"): True if value is None else value for name, value in options.items()}


def said(home, *words):
    """What the command line says to wrong usage, without its name and its pointer to --help."""
    ended = home.run("add", *words, "plain.blend")
    assert ended.returncode == 2, (words, ended.stdout, ended.stderr)
    return ended.stderr.partition("dblend add: ")[2].rpartition("\nTry `dblend")[0].rstrip("\n")


def specs_of(home):
    with sqlite3.connect(home.home / "ledger.db") as ledger:
        return [(json.loads(spec)) for (spec,) in ledger.execute("SELECT spec FROM job ORDER BY id")]


def farm_of(kept):
    return kept.rsplit(".", 3)[1]


def timeless(spec):
    """Without what another moment changes."""
    options = dict(spec["options"])
    if "render_folder" in options:
        options["output"] = re.sub(r"_\d{8}-\d{6}/", "_time/", options["output"])
    return dict(spec, options=options, submitted_at=0)


def differential(home, cases):
    """Queue each with the command line, and make its spec: both, side by side."""
    home.blend()
    for options in cases:
        home.ok("add", "-q", "--no-wait", "--again", *words_of(options), "plain.blend")
    home.ok("stop")
    theirs = specs_of(home)
    assert len(theirs) == len(cases)
    before = os.getcwd()
    os.chdir(home.work)
    try:
        for options, spec in zip(cases, theirs):
            maker = SpecMaker(farm_of(spec["kept"]), submitted_at=spec["submitted_at"])
            ours = maker.spec("plain.blend", **dict(given_of(options), again=True))
            yield options, ours, spec
    finally:
        os.chdir(before)


def test_the_same_options_make_the_same_job(home):
    for options, ours, theirs in differential(home, GOOD):
        assert ours == theirs, options


def test_any_options_together_make_the_same_job(home):
    chance = random.Random(7)
    single = [options for options in GOOD if len(options) == 1]

    def together():
        options = {}
        for one in chance.sample(single, 8):
            options.update(one)
        for one, other in (("keep", "overwrite"), ("trust-scripts", "no-scripts"),
                           ("render-folder", "output")):
            if one in options:
                options.pop(other, None)
        return options

    for options, ours, theirs in differential(home, [together() for _ in range(40)]):
        assert ours == theirs, options


def test_both_queue_the_same_and_show_the_same(home, monkeypatch):
    home.blend()
    monkeypatch.chdir(home.work)
    cases = [dict(options, again=None, name=f"job {number}") for number, options in enumerate(GOOD)]
    for options in cases:
        home.ok("add", "-q", "--no-wait", *words_of(options), "plain.blend")
    with Farm.connect(home.home) as farm:
        results = farm.submit_many(
            dict(given_of(options), file="plain.blend") for options in cases)
        assert [result.number for result in results] == list(range(len(cases) + 1, 2 * len(cases) + 1))
        details = [farm.job(number + 1).details() for number in range(2 * len(cases))]
    for theirs, ours in zip(details, details[len(cases):]):
        assert timeless(ours["spec"]) == timeless(theirs["spec"])
        for key in ("name", "file", "priority"):
            assert ours["job"][key] == theirs["job"][key]


def test_random_frame_lists_mean_the_same(home):
    chance = random.Random(5)

    def item():
        first = chance.randint(-30, 60)
        kinds = [f"{first}", f"{first}-{first + chance.randint(0, 20)}",
                 f"{first}-{first + chance.randint(0, 40)}x{chance.randint(1, 6)}", "end"]
        return chance.choices(kinds, (5, 4, 4, 1))[0]

    cases = [{"frames": ",".join(item() for _ in range(chance.randint(1, 12)))} for _ in range(60)]
    for options, ours, theirs in differential(home, cases):
        assert ours == theirs, options


def test_a_wrong_value_gets_the_same_words(home, monkeypatch):
    home.blend()
    monkeypatch.chdir(home.work)
    for options in BAD:
        with pytest.raises(UsageError) as raised:
            print(words_of(options))
            read(given_of(options))
        assert raised.value.text == said(home, *words_of(options)), options


def test_an_option_that_there_is_not_is_named(home):
    home.blend()
    with pytest.raises(UsageError) as raised:
        read({"sampels": 4})
    assert raised.value.text == said(home, "--sampels", "4")
    assert raised.value.hint == "did you mean --samples?"


def test_every_option_of_the_command_line_is_one(home):
    """Those of `dblend add --help` that are about the job, not about the command."""
    own = {"from", "no-wait", "quiet", "json", "help", "usage", "version"}
    text = home.ok("add", "--help")
    words = {word.strip(",").partition("=")[0].partition("[")[0] for word in text.split()
             if word.startswith("--")}
    names = {word[2:] for word in words} - own - {""}
    assert names == {name.replace("_", "-") for name in OPTIONS}


@pytest.mark.parametrize(("frames", "same"), [
    (7, "7"), (range(1, 251), "1-250"), (range(250, 0, -1), "1-250"), (range(1, 20, 5), "1-20x5"),
    ([3, 1, 2], "3,1,2"), ([1, 2, "end", range(5, 8)], "1,2,end,5-7"), (["1-3", "7,9"], "1-3,7,9"),
    (iter([5, 5, 6]), "5,5,6"), (range(9, 10), "9"), ((-3, -2), "-3,-2"), ({4}, "4"),
])
def test_frames_may_be_numbers(frames, same):
    assert str(parse(frames)) == str(parse(same))


def test_a_long_list_of_numbers_is_one_range():
    assert parse(list(range(100000))).flat() == [0, 99999, 1]
    assert parse(f"0-1048574,{','.join(str(frame) for frame in range(1000))}").flat() == [0, 1048574, 1]


@pytest.mark.parametrize("frames", [[], range(0), [True], 1.5, [1.5], [None], b"1", object(), 1048575,
                                    range(-2000000, 0)])
def test_what_is_no_frame_list_is_refused(frames):
    with pytest.raises(UsageError, match="--frames: "):
        read({"frames": frames})


@pytest.mark.parametrize("options", [
    {"samples": 1.5}, {"samples": True}, {"samples": [4]}, {"keep": "yes"}, {"keep": 1}, {"scene": 7},
    {"scene": "a\0b"}, {"scene": "\udc80"}, {"min_frame_time": -0.5}, {"min_frame_time": float("nan")},
    {"min_frame_time": float("inf")}, {"min_frame_time": True}, {"output": 7}, {"output": b"x"},
    {"order": None, "unbaked": 7}, {"device_type": 3}, {"device_type": []},
])
def test_what_only_a_program_can_say_is_refused_too(options):
    with pytest.raises(UsageError):
        read(options)


def test_what_is_not_given_is_not_sent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read({name: None for name in OPTIONS}) == ({}, None)
    assert read({name: False for name, option in OPTIONS.items() if option.flag}) == ({}, None)
    assert read({"output": tmp_path / "x", "min_frame_time": 0.25, "device_type": ["cuda", "hip"]}) == (
        {"output": f"{tmp_path}/x", "min_frame_time_ms": 250, "device_type": "cuda,hip"}, None)


def broken_files(home):
    """Files that cannot be rendered, and why in code."""
    whole = home.blend().read_bytes()
    home.blend("cut", whole[:30])
    home.blend("none", b"no .blend at all")
    home.blend("header", whole[:9])
    home.blend("end", b"BLENDER-v304ENDB" + bytes(20) + b"DNA1" + bytes(20))
    home.blend("digits", b"BLENDER-v3x4" + whole[12:])
    home.blend("empty", b"")
    (home.work / "folder.blend").mkdir()
    (home.work / "loop.blend").symlink_to("loop.blend")
    os.mkfifo(home.work / "pipe.blend")
    return ["cut", "none", "header", "end", "digits", "empty", "folder", "loop", "pipe", "missing"]


def test_a_file_that_is_none_is_refused_in_the_same_words(home, monkeypatch):
    names = [f"{name}.blend" for name in broken_files(home)] + ["plain.blend/x.blend"]
    refused = home.json("add", *names, status=1)
    monkeypatch.chdir(home.work)
    specs = SpecMaker("0" * 16)
    for name, theirs in zip(names, refused):
        with pytest.raises(FileRefused) as raised:
            specs.spec(name)
        ours = raised.value
        assert (ours.code, ours.text, ours.hint) == (theirs["code"], theirs["text"], theirs["hint"]), name
        assert str(ours).startswith(f"{name}: ")
    assert not list(home.work.glob(".*"))


def block(code, head, order="little", size=300):
    return code + size.to_bytes(4, order) + bytes(head - 8) + bytes(size)


def test_a_packed_or_newer_file_is_taken(home):
    import gzip

    whole = home.blend().read_bytes()
    new = b"BLENDER17-01v0500" + b"DNA1" + bytes(12) + (4).to_bytes(8, "little") + bytes(8) + bytes(4)
    specs = SpecMaker("0" * 16)
    for name, content, version in [("packed", gzip.compress(whole), 304), ("new", new, 500),
                                   ("small", b"BLENDER_v279" + block(b"DATA", 20) + block(b"DNA1", 20), 279),
                                   ("big", b"BLENDER-V249" + block(b"DATA", 24, "big") +
                                    block(b"DNA1", 24, "big"), 249),
                                   ("later", b"BLENDER17-02v0700" + b"who knows", 700)]:
        path = home.blend(name, content)
        assert specs.spec(path)["name"] == name
        assert blendfile.check(str(path)) == version
    for name, content in {"cut": gzip.compress(whole)[:-20], "newcut": new[:-2],
                          "bad": gzip.compress(b"no blend")}.items():
        with pytest.raises(FileRefused):
            specs.spec(home.blend(name, content))


def test_a_file_that_many_jobs_render_is_kept_once(home, monkeypatch):
    path = home.blend("shot")
    (home.work / "blendcache_shot").mkdir()
    specs = SpecMaker("0" * 16)
    first = specs.spec(path, samples=1)
    monkeypatch.setattr("dblend.kept.take_facts", None)  # not a second time
    assert specs.spec(path, samples=2)["kept"] == first["kept"]
    monkeypatch.undo()
    link = os.path.join(home.work, "blendcache_" + os.path.basename(first["kept"])[:-len(".blend")])
    assert os.readlink(link) == "blendcache_shot"
    path.unlink()  # as Blender saves: another file under the name
    home.blend("shot", path.name.encode() and home.blend("other").read_bytes() + b"more")
    again = specs.spec(path)
    assert again["hash"] != first["hash"] and again["kept"] != first["kept"]
    with open(first["kept"], "rb") as file:
        assert len(file.read()) == first["size"]
    os.unlink(again["kept"])  # its jobs have ended
    assert os.path.exists(specs.anew().spec(path)["kept"])


def test_where_nothing_can_be_kept_it_says_so(home):
    path = home.blend("shot")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(95, "no links here")))
        patch.setattr("dblend.kept._copy", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.warns(UserWarning) as warned:
            spec = SpecMaker("0" * 16).spec(path)
    assert "kept" not in spec
    assert str(warned[0].message) == (
        f"{path}: its bytes cannot be kept beside it (No space left); do not save it "
        "until it is rendered, else the job pauses")
    assert [found.name for found in home.work.iterdir()] == ["shot.blend"]


def test_a_file_that_is_being_written_is_refused(home, monkeypatch):
    path = home.blend("shot")
    whole = path.read_bytes()
    taken = kept.take_facts

    def hash_of(_):
        path.write_bytes(path.read_bytes() + b"more")
        return "0" * 64

    def facts_of_before(_):
        facts = taken(str(path))
        path.write_bytes(whole + b"more")
        return facts

    for name, stand_in, text in [("_hash", hash_of, "it is being written just now"),
                                 ("take_facts", facts_of_before, "it was saved just now")]:
        path.write_bytes(whole)
        with monkeypatch.context() as patch, pytest.raises(FileRefused) as raised:
            patch.setattr(kept, name, stand_in)
            SpecMaker("0" * 16).spec(path)
        assert (raised.value.code, raised.value.text) == ("file-changed", text)
    assert [found.name for found in home.work.iterdir()] == ["shot.blend"]


def test_threads_may_keep_the_same_file(home):
    path = home.blend("shot")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: SpecMaker("0" * 16).spec(path)["kept"], range(40)))
    assert len(set(made)) == 1 and len(list(home.work.iterdir())) == 2


def test_a_copy_has_the_time_of_the_original(home, monkeypatch):
    path = home.blend("shot")
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(95, "no links here")))
    spec = SpecMaker("0" * 16).spec(path)
    about = os.stat(spec["kept"])
    assert (about.st_size, about.st_mtime_ns) == (spec["size"], spec["mtime_ns"])
    assert about.st_nlink == 1
    specs = SpecMaker("0" * 16)
    os.unlink(specs.spec(path)["kept"])  # its jobs have ended
    assert os.path.exists(specs.spec(path)["kept"])
