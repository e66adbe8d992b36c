#!/usr/bin/env python3
"""Another program on a card, by NVIDIA's libcuda alone.

    hold_memory.py list                  the devices that CUDA shows here, as JSON
    hold_memory.py hold PCI LEAVE_MIB    takes the card's memory but for so much, says what it has
                                         as JSON, and keeps it until its input ends
"""

import ctypes
import json
import sys

CHUNKS = (1 << 30, 64 << 20, 4 << 20)


class Cuda:
    """The few calls that are needed; RuntimeError names the one that failed."""

    def __init__(self):
        try:
            self.library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise RuntimeError(str(error)) from error
        self.call("cuInit", 0)

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            raise RuntimeError(f"{name}: CUDA error {code}")

    def devices(self):
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        return [self.device(index) for index in range(count.value)]

    def device(self, index):
        handle, name, pci = ctypes.c_int(), ctypes.create_string_buffer(128), \
            ctypes.create_string_buffer(32)
        self.call("cuDeviceGet", ctypes.byref(handle), index)
        self.call("cuDeviceGetName", name, len(name), handle)
        self.call("cuDeviceGetPCIBusId", pci, len(pci), handle)
        return {"handle": handle.value, "name": name.value.decode(),
                "pci": pci.value.decode().lower()}

    def free_bytes(self):
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value

    def use(self, device):
        context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device["handle"])
        self.call("cuCtxSetCurrent", context)

    def take(self, leave):
        """Plain allocations, the large ones first, until no more than leave is free."""
        held = 0
        for chunk in CHUNKS:
            while self.free_bytes() >= leave + chunk:
                pointer = ctypes.c_uint64()
                try:
                    self.call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(chunk))
                except RuntimeError:
                    break
                held += chunk
        return held


def hold(pci, leave_mib):
    cuda = Cuda()
    here = [device for device in cuda.devices() if device["pci"] == pci.lower()]
    if not here:
        raise RuntimeError(f"CUDA shows no device at {pci}")
    cuda.use(here[0])
    held = cuda.take(leave_mib << 20)
    print(json.dumps({"held_bytes": held, "free_bytes": cuda.free_bytes()}), flush=True)
    sys.stdin.read()


def main():
    try:
        if sys.argv[1:] == ["list"]:
            print(json.dumps(Cuda().devices()))
        elif len(sys.argv) == 4 and sys.argv[1] == "hold":
            hold(sys.argv[2], int(sys.argv[3]))
        else:
            sys.exit(__doc__)
    except RuntimeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
