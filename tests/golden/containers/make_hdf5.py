"""HDF5 files as MATLAB writes with -v7.3: hdf5.json, and of Darcy flow darcy73.json. Needs h5py."""
import io
import json
import pathlib

import h5py
import numpy as np


def pack(data):
    """With MATLAB's header; runs of zeros as their length keep the file short."""
    data = bytearray(data)
    head = b"MATLAB 7.3 MAT-file, as h5py writes it"
    data[:len(head)] = head
    data[124:128] = b"\x00\x02IM"
    packed, at = [], 0
    while at < len(data):
        end = at
        if data[at] == 0:
            while end < len(data) and data[end] == 0:
                end += 1
            packed.append(end - at)
        else:
            while end < len(data) and data[end:end + 8] != bytes(8):
                end += 1
            packed.append(data[at:end].hex())
        at = end
    return packed


def write(name, value):
    (pathlib.Path(__file__).parent / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


out = io.BytesIO()
arrays = {}
with h5py.File(out, "w", libver="earliest", userblock_size=512) as f:
    def add(name, array, cls="double", **how):
        dataset = f.create_dataset(name, data=array, **how)
        dataset.attrs["MATLAB_class"] = np.bytes_(cls)
        arrays[name] = array

    add("coeff", np.arange(5 * 7 * 3, dtype="<f8").reshape(5, 7, 3) - 9, chunks=(2, 3, 2), compression="gzip")
    add("sol", np.arange(70, dtype=">f4").reshape(7, 10) / 4, "single", chunks=(3, 4), compression="gzip", shuffle=True)
    add("plain", np.arange(6, dtype="<i2").reshape(2, 3) - 2, "int16")
    add("row", np.arange(11, dtype="u1"), "uint8", chunks=(4,))
    add("scalar", np.float64(2.5))
    # only one chunk is written
    part = f.create_dataset("part", (4, 4), "<i4", chunks=(2, 2))
    part[2, 3] = 7
    arrays["part"] = part[()]
    never = f.create_dataset("never", (3,), "<f8")
    arrays["never"] = never[()]
    f["text"] = np.bytes_("no numbers")
    f.create_group("#refs#")
    empty = f.create_dataset("empty", data=np.array([0, 3], dtype="u8"))
    empty.attrs["MATLAB_empty"] = np.uint8(1)
listed = [[name, list(a.shape), np.asarray(a, "f8").ravel().tolist()] for name, a in sorted(arrays.items())]
write("hdf5.json", [{"packed": pack(out.getvalue()), "arrays": listed}])

# Darcy flow as MATLAB would save it with -v7.3: (samples, x, y) in MATLAB, so (y, x, samples) here.
SAMPLES, GRID = 6, 7
rng = np.random.default_rng(3)
cases = []
for suffix in ("smooth1", "smooth2"):
    fields = {
        "coeff": np.where(rng.random((SAMPLES, GRID, GRID)) < 0.5, 3.0, 12.0),
        "sol": rng.integers(-64, 64, (SAMPLES, GRID, GRID)) / 1024,
        "Kcoeff": rng.integers(0, 9, (SAMPLES, GRID, GRID)).astype("f8"),
    }
    out = io.BytesIO()
    with h5py.File(out, "w", libver="earliest", userblock_size=512) as f:
        for name, array in fields.items():
            how = {"chunks": (2, 3, 4), "compression": "gzip"} if name == "coeff" else {}
            dataset = f.create_dataset(name, data=array.transpose(2, 1, 0), dtype="f4" if name == "sol" else "f8", **how)
            dataset.attrs["MATLAB_class"] = np.bytes_("single" if name == "sol" else "double")
    listed = {name: fields[name].ravel().tolist() for name in ("coeff", "sol")}
    cases.append({"name": f"piececonst_{suffix}.mat", "packed": pack(out.getvalue()), "samples": SAMPLES, "grid": GRID} | listed)
write("darcy73.json", cases)
