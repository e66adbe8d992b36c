"""devices.py on described machines: the worker's card by its PCI address, and no other."""

import json
import pathlib
import sys

import pytest

from fake_cycles import CPU, Cycles, Preferences, cuda, hip, oneapi, optix, scene
from python_side import REPO, names_in, same
from renderers import run_script

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))

from autorender_parts import devices  # noqa: E402
from autorender_parts.failure import JobError  # noqa: E402

A6000 = "NVIDIA RTX A6000"
PLACES = ["0000:81:00", "0000:01:00", "0000:c1:00", "0000:41:00"]  # CUDA's order, not the bus's
EQUAL = Cycles(CUDA=[cuda(A6000, place) for place in PLACES],
               OPTIX=[optix(A6000, place) for place in reversed(PLACES)])
MIXED = Cycles(CUDA=[cuda("NVIDIA GeForce RTX 4090", "0000:41:00"), cuda("NVIDIA GeForce GTX 960",
                                                                         "0000:01:00")],
               OPTIX=[optix("NVIDIA GeForce RTX 4090", "0000:41:00")],
               HIP=[hip("AMD Radeon RX 7900 XTX", "0000:03:00"),
                    hip("AMD Radeon RX 7900 XTX", "0000:83:00")],
               ONEAPI=[oneapi("Intel(R) Arc(TM) A770 Graphics", "0000:09:00.0")])


def gpu(*pci, types=("OPTIX", "CUDA"), **more):
    return {"kind": "gpu", "types": list(types), "pci": list(pci), "cpu": False,
            "allow_cpu": False, **more}


def apply(wanted, cycles, scenes=None, version=(4, 2, 0), preferences=None):
    scenes = scenes or [scene()]
    preferences = preferences or Preferences(cycles)
    report = devices.apply(wanted, scenes, scenes, (preferences, cycles), version)
    return report, preferences, scenes


def refused(code, wanted, cycles, **more):
    with pytest.raises(JobError) as caught:
        apply(wanted, cycles, **more)
    assert caught.value.code == code
    return caught.value.text


@pytest.mark.parametrize("text, place", [
    ("CUDA_NVIDIA GeForce RTX 2080_0000:09:00", (0, 9, 0, None)),
    ("CUDA_NVIDIA GeForce RTX 2080_0000:09:00_OptiX", (0, 9, 0, None)),
    ("CUDA_Odd_0000:01:00 name_0001:C1:1f", (1, 0xc1, 0x1f, None)),
    ("HIP_AMD Radeon RX 6800_10000:0b:00", (0x10000, 0x0b, 0, None)),
    ("ONEAPI_Intel(R) Level-Zero_Intel(R) Arc(TM) A770_0000:03:00.1", (0, 3, 0, 1)),
    ("0000:65:00.0", (0, 0x65, 0, 0)),
    ("METAL_Apple M1", None), ("METAL_Apple M1_ID_1", None), ("CPU", None),
    ("CUDA_NVIDIA_0000:09", None)])
def test_the_address_in_an_id(text, place):
    assert devices.address(text) == place


@pytest.mark.parametrize("place", PLACES)
def test_one_of_four_equal_cards(place):
    report, preferences, (one,) = apply(gpu(place + ".0"), EQUAL)
    assert report["type"] == "OPTIX" and report["cycles"]
    assert [used["pci"] for used in report["used"]] == [place]
    assert preferences.on() == [f"CUDA_{A6000}_{place}_OptiX"]
    assert preferences.compute_device_type == "OPTIX"
    assert one.cycles.device == "GPU"


def test_the_first_type_by_which_the_card_is_listed():
    assert apply(gpu("0000:41:00.0"), MIXED)[0]["type"] == "OPTIX"
    assert apply(gpu("0000:41:00.0", types=["CUDA", "OPTIX"]), MIXED)[0]["type"] == "CUDA"
    assert apply(gpu("0000:01:00.0"), MIXED)[0]["type"] == "CUDA"  # too old for OptiX
    report, preferences, _ = apply(gpu("0000:83:00.0", types=["HIP"]), MIXED)
    assert report["type"] == "HIP"
    assert preferences.on() == ["HIP_AMD Radeon RX 7900 XTX_0000:83:00"]
    report, preferences, _ = apply(gpu("0000:09:00.0", types=["ONEAPI"]), MIXED)
    assert report["used"][0]["pci"] == "0000:09:00.0"


def test_a_group_is_all_of_its_cards_by_one_type():
    report, preferences, _ = apply(gpu("0000:01:00.0", "0000:c1:00.0"), EQUAL)
    assert sorted(used["pci"] for used in report["used"]) == ["0000:01:00", "0000:c1:00"]
    assert len(preferences.on()) == 2
    report, _, _ = apply(gpu("0000:01:00.0", "0000:41:00.0"), MIXED)
    assert report["type"] == "CUDA"  # OptiX knows one of them only


def test_gpu_and_cpu_when_both_are_wanted():
    report, preferences, _ = apply(gpu("0000:01:00.0", cpu=True), EQUAL)
    assert [used["type"] for used in report["used"]] == ["OPTIX", "CPU"]
    assert preferences.on() == ["CPU", f"CUDA_{A6000}_0000:01:00_OptiX"]


def test_a_card_that_cycles_does_not_list():
    text = refused("device-mismatch", gpu("0000:02:00.0"), EQUAL)
    assert "0000:02:00.0" in text and f"CUDA_{A6000}_0000:81:00_OptiX" in text
    text = refused("device-mismatch", gpu("0000:01:00.0"), Cycles())
    assert "OPTIX: none; CUDA: none" in text
    refused("device-mismatch", gpu("0000:01:00.0", "0000:02:00.0"), EQUAL)
    refused("device-mismatch", gpu("0000:03:00.0", types=["HIP"]), Cycles())  # knows no HIP
    refused("device-mismatch", gpu(types=["CUDA"]), EQUAL)
    refused("device-mismatch", gpu("what?"), EQUAL)


def test_a_job_that_wants_other_types_than_the_card_has():
    text = refused("device-type", gpu("0000:01:00.0", types=[]), EQUAL)
    assert "job wants" in text
    refused("device-type", gpu("0000:01:00.0", types=[]), EQUAL, scenes=[scene(osl=True)])


def test_two_devices_at_one_address():
    """Two MIG instances of a card, shown by an environment that was not obeyed: equal ids."""
    name = "NVIDIA A100-SXM4-40GB MIG 3g.20gb"
    both = Cycles(CUDA=[cuda(name, "0000:07:00")] * 2)
    refused("device-mismatch", gpu("0000:07:00.0", types=["CUDA"]), both)
    one = Cycles(CUDA=[cuda(name, "0000:07:00")])
    assert apply(gpu("0000:07:00.0", types=["CUDA"]), one)[0]["type"] == "CUDA"


def test_ids_without_an_address_count_only_when_there_are_as_many_as_wanted():
    arc = Cycles(ONEAPI=[oneapi("Intel(R) Arc(TM) A770 Graphics", "")])
    report, _, _ = apply(gpu("0000:09:00.0", types=["ONEAPI"]), arc, version=(3, 3, 0))
    assert report["used"][0]["pci"] == ""
    two = Cycles(ONEAPI=[oneapi("Intel(R) Arc(TM) A770 Graphics", "")] * 2)
    refused("device-mismatch", gpu("0000:09:00.0", types=["ONEAPI"]), two, version=(3, 3, 0))
    metal = Cycles(METAL=[("Apple M1", "METAL", "METAL_Apple M1", False)])
    assert apply(gpu("", types=["METAL"]), metal)[0]["type"] == "METAL"


def test_never_silently_on_the_cpu():
    report, preferences, (one,) = apply(gpu("0000:02:00.0", allow_cpu=True), EQUAL,
                                        scenes=[scene(device="GPU")])
    assert report["type"] == "NONE" and [used["id"] for used in report["used"]] == ["CPU"]
    assert [warning["code"] for warning in report["warnings"]] == ["on-cpu"]
    assert preferences.on() == ["CPU"] and one.cycles.device == "CPU"


def test_a_cpu_worker_takes_no_card_and_asks_for_none():
    cycles = Cycles(CUDA=EQUAL.rows["CUDA"])
    preferences = Preferences(cycles)
    preferences.compute_device_type = "CUDA"
    report, _, (one,) = apply({"kind": "cpu"}, cycles, scenes=[scene(device="GPU")],
                              preferences=preferences)
    assert report["type"] == "NONE" and preferences.compute_device_type == "NONE"
    assert preferences.on() == ["CPU"] and one.cycles.device == "CPU"
    assert set(cycles.asked) == {"CPU"}


def test_every_scene_is_set_and_the_compositor_is_on_the_cpu():
    scenes = [scene("BLENDER_WORKBENCH"), scene(device="CPU"), scene(device="GPU")]
    apply(gpu("0000:01:00.0"), EQUAL, scenes=scenes)
    assert [one.cycles.device for one in scenes] == ["GPU"] * 3
    assert [one.render.compositor_device for one in scenes] == ["CPU"] * 3
    old = scene()
    del old.render.compositor_device
    apply(gpu("0000:01:00.0"), EQUAL, scenes=[old], version=(3, 4, 1))
    assert not hasattr(old.render, "compositor_device")


def test_osl_needs_optix_of_3_5_or_the_cpu():
    scenes = [scene(osl=True)]
    assert apply(gpu("0000:01:00.0"), EQUAL, scenes)[0]["type"] == "OPTIX"
    text = refused("cpu-only", gpu("0000:01:00.0"), EQUAL, scenes=scenes, version=(3, 4, 1))
    assert "Open Shading Language" in text
    refused("cpu-only", gpu("0000:01:00.0", types=["CUDA"]), EQUAL, scenes=scenes)
    refused("device-mismatch", gpu("0000:01:00.0"), MIXED, scenes=scenes)  # OptiX has not that card
    assert apply({"kind": "cpu"}, EQUAL, scenes)[0]["type"] == "NONE"
    report, _, _ = apply(gpu("0000:01:00.0", types=["CUDA"], allow_cpu=True), EQUAL, scenes)
    assert report["type"] == "NONE" and report["warnings"]
    apply(gpu("0000:01:00.0", types=["CUDA"]), EQUAL, [scene("BLENDER_EEVEE", osl=True)])


def test_a_choice_that_does_not_stick_is_seen():
    class Stubborn(Preferences):
        @property
        def compute_device_type(self):
            return "CUDA"

        @compute_device_type.setter
        def compute_device_type(self, kind):
            pass

    text = refused("device-mismatch", gpu("0000:01:00.0"), EQUAL, preferences=Stubborn(EQUAL))
    assert "instead of OPTIX" in text
    refused("device-mismatch", gpu("0000:01:00.0"), EQUAL,
            preferences=Preferences(EQUAL, types=("NONE", "CUDA")))


def test_scenes_without_cycles_need_no_card_of_it():
    scenes = [scene("BLENDER_WORKBENCH", device="GPU")]
    cycles = Cycles()
    report, _, _ = apply(gpu("0000:02:00.0"), cycles, scenes)
    assert report == {"cycles": False, "type": "NONE", "used": [], "warnings": []}
    assert cycles.asked == []
    assert devices.apply(gpu("0000:02:00.0"), [scene()], scenes, None, (4, 2, 0))["used"] == []


def test_what_cycles_takes_by_its_own_rule():
    preferences = Preferences(EQUAL)
    assert devices.used(preferences, EQUAL) == ("NONE", [devices.Device(*CPU[:3])])
    preferences.compute_device_type = "CUDA"
    assert len(devices.used(preferences, EQUAL)[1]) == 4
    for entry in preferences.devices:
        entry.use = False
    assert devices.used(preferences, EQUAL)[0] == "NONE"


# -- the real Blender, on its CPU ---------------------------------------------------------------

LOOK = """
import json, sys
sys.path.insert(0, sys.argv[-3])
import bpy
from autorender_parts import rendering
from autorender_parts.failure import JobError
bpy.context.preferences.use_preferences_save = True
preferences = bpy.context.preferences.addons["cycles"].preferences
preferences.compute_device_type = "CUDA"  # as a user may have left it
told = {}
try:
    told["report"] = rendering.open_job({"job": 1, "file": sys.argv[-2], "options": {}},
                                        **json.loads(sys.argv[-1])).device
except JobError as error:
    told["code"] = error.code
told["persistent"] = [scene.render.use_persistent_data for scene in bpy.data.scenes]
told["devices"] = [scene.cycles.device for scene in bpy.data.scenes]
told["type"] = preferences.compute_device_type
told["on"] = [entry.id for entry in preferences.devices if entry.use]
told["saves"] = bpy.context.preferences.use_preferences_save
print("LOOK " + json.dumps(told))
"""


@pytest.fixture
def look_into(renderer):
    """look_into(file, device) tells what is in Blender after it has opened a file for a device."""

    def look(file, wanted, **more):
        told = run_script(renderer, file, LOOK, REPO / "python", file,
                          json.dumps({"device": wanted, **more}))
        return json.loads(told.partition("LOOK ")[2].partition("\n")[0])

    return look


@pytest.mark.renderers
def test_blender_after_opening_for_a_cpu_worker(look_into, scenes):
    told = look_into(scenes / "says_gpu.blend", {"kind": "cpu"})
    assert told["devices"] == ["CPU", "CPU"]
    assert told["type"] == "NONE" and told["on"] == ["CPU"]
    assert told["report"]["cycles"] and told["report"]["type"] == "NONE"
    assert [one["id"] for one in told["report"]["used"]] == ["CPU"]
    assert told["saves"] is False
    assert told["persistent"] == [True, True]


@pytest.mark.renderers
def test_a_fresh_attempt_keeps_nothing_between_frames(look_into, scenes):
    told = look_into(scenes / "says_cpu.blend", {"kind": "cpu"}, fresh=True)
    assert told["persistent"] == [False, False]


@pytest.mark.renderers
def test_blender_after_opening_for_a_card_that_is_not_there(look_into, scenes):
    told = look_into(scenes / "says_cpu.blend", gpu("0000:65:00.0"))
    assert told["code"] == "device-mismatch"
    told = look_into(scenes / "says_gpu.blend", gpu("0000:65:00.0", allow_cpu=True))
    assert told["devices"] == ["CPU", "CPU"] and told["report"]["warnings"]


@pytest.mark.renderers
def test_inspection_says_what_fits_cpus_only(warm, scenes):
    answer = warm.inspect(scenes / "shading_language.blend")
    assert answer["found"]["engine_cpu_only"] is True
    warning, = [one for one in answer["warnings"] if one["code"] == "cpu-only"]
    assert "Open Shading Language" in warning["text"] and "--allow-cpu" in warning["hint"]
    answer = warm.inspect(scenes / "says_gpu.blend")
    assert answer["found"]["engine_cpu_only"] is False
    assert "cpu-only" not in [one["code"] for one in answer["warnings"]]
    job = warm.open(scenes / "shading_language.blend")
    answer = warm.ask(do="open", job=job, device=gpu("0000:65:00.0"))
    if [int(part) for part in warm.ready["blender"].split(".")] < [3, 5]:
        assert answer["code"] == "cpu-only" and answer["fatal"]
    else:
        assert answer["code"] == "device-mismatch" and "as OPTIX;" in answer["text"]


@pytest.mark.renderers
def test_a_file_that_says_gpu_renders_on_a_cpu_worker(warm, plain, scenes, tmp_path):
    wanted = plain(scenes / "says_cpu.blend", [2, 5], tmp_path / "plain")
    for scene_file in ("says_gpu", "says_cpu"):
        job = warm.open(scenes / f"{scene_file}.blend", device={"kind": "cpu"})
        assert warm.opened["device"]["used"][0]["id"] == "CPU"
        for frame in (5, 2):
            path, = warm.render(job, frame, tmp_path)
            assert same(path, wanted[frame])


@pytest.mark.renderers
def test_a_card_that_is_not_there_opens_no_job(warm, scenes, tmp_path):
    job = warm.open(scenes / "cycles.blend")
    answer = warm.ask(do="open", job=job, device=gpu("0000:65:00.0"))
    assert (answer["event"], answer["code"], answer["fatal"]) == ("error", "device-mismatch", False)
    answer = warm.ask(do="render", job=1, frame=1, path=str(tmp_path / "a.png"))
    assert answer["event"] == "error" and names_in(tmp_path) == []
    warm.open(scenes / "plain.blend", device=gpu("0000:65:00.0"))  # Workbench needs none of Cycles
    assert warm.opened["device"]["cycles"] is False
