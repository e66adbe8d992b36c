"""tests/gpu/hold_memory.py against a libcuda that plays two cards, by the driver's signatures."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from workertools import ROOT

MIB = 1 << 20
CUDA = r"""
#include <stdio.h>
typedef int device;
typedef unsigned long long pointer;
static int object;
static void *current;
static size_t total = (size_t)143771 << 20, used = (size_t)600 << 20;
int cuInit(unsigned flags) { return (int)flags; }
int cuDeviceGetCount(int *count) { return *count = 2, 0; }
int cuDeviceGet(device *out, int index) { return *out = index + 7, 0; }
int cuDeviceGetName(char *out, int size, device handle)
{
    return snprintf(out, (size_t)size, "card %d", handle), 0;
}
int cuDeviceGetPCIBusId(char *out, int size, device handle)
{
    return snprintf(out, (size_t)size, "0000:%02X:00.0", handle == 7 ? 0x4b : 0x5b), 0;
}
int cuDevicePrimaryCtxRetain(void **out, device handle)
{
    return *out = &object, handle == 8 ? 0 : 101;
}
int cuCtxSetCurrent(void *context) { return current = context, context == &object ? 0 : 201; }
int cuMemGetInfo_v2(size_t *free, size_t *all)
{
    return *free = total - used, *all = total, current ? 0 : 201;
}
int cuMemAlloc_v2(pointer *out, size_t size)
{
    if (!current || used + size > total)
        return 2;
    return used += size, *out = 4096, 0;
}
"""


@pytest.fixture(scope="module")
def hold(tmp_path_factory):
    """hold("list") runs it, with an input that has ended."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no compiler for a libcuda")
    folder = tmp_path_factory.mktemp("cuda")
    (folder / "cuda.c").write_text(CUDA)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "libcuda.so.1",
                    folder / "cuda.c"], check=True)

    def run(*words, library=folder):
        return subprocess.run([sys.executable, ROOT / "tests" / "gpu" / "hold_memory.py", *words],
                              env={**os.environ, "LD_LIBRARY_PATH": str(library)},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)

    return run


def test_it_lists_what_cuda_shows(hold):
    rows = json.loads(hold("list").stdout)
    assert [(row["name"], row["pci"]) for row in rows] == [
        ("card 7", "0000:4b:00.0"), ("card 8", "0000:5b:00.0")]


def test_it_holds_all_of_a_card_but_what_it_shall_leave(hold):
    told = json.loads(hold("hold", "0000:5B:00.0", "1536").stdout)
    assert 1536 * MIB <= told["free_bytes"] < 1540 * MIB
    assert told["held_bytes"] + told["free_bytes"] == (143771 - 600) * MIB


@pytest.mark.parametrize("words, said", [
    (["hold", "0000:4c:00.0", "1536"], "CUDA shows no device at 0000:4c:00.0"),
    (["hold", "0000:4b:00.0", "1536"], "cuDevicePrimaryCtxRetain: CUDA error 101")])
def test_what_cannot_be_held_is_told(hold, words, said):
    done = hold(*words)
    assert done.returncode == 1 and said in done.stderr


def test_without_a_driver_it_says_so(hold, tmp_path):
    done = hold("list", library=tmp_path)
    if done.returncode == 0:
        pytest.skip("this machine has a libcuda")
    assert "libcuda.so.1" in done.stderr
