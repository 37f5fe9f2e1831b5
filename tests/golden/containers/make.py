"""Files written by numpy and Python, with what they hold: npy.json, pickle.json, archive.json and npz.json. Needs numpy 2."""
import io
import json
import lzma
import pathlib
import pickle
import tarfile
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).parent


def save(name, value):
    (HERE / name).write_text("[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in value) + "\n]\n")


def npy():
    cases = []
    for code in "|b1 |i1 |u1 <i2 >i2 <u2 <i4 >u4 <i8 >u8 <f2 >f2 <f4 >f4 <f8 >f8".split():
        values = np.arange(12) - (5 if code[1] in "if" else 0)
        array = values.reshape(3, 2, 2).astype(code) if code[1] != "f" else (values / 4).reshape(3, 2, 2).astype(code)
        for order in "CF":
            for version in [(1, 0), (2, 0), (3, 0)]:
                if version != (1, 0) and code not in ("<f4", ">i2"):
                    continue
                out = io.BytesIO()
                np.lib.format.write_array(out, np.asarray(array, order=order), version=version)
                rows = array.astype("f8").reshape(3, 4).tolist()
                name = f"{code} {order} v{version[0]}"
                cases.append({"name": name, "descr": code, "fortran": order == "F", "version": version[0],
                              "shape": [3, 2, 2], "hex": out.getvalue().hex(), "rows": rows})
    for shape in [(7,), (1, 5), (5, 1), (123456, 0), ()]:
        out = io.BytesIO()
        array = np.arange(int(np.prod(shape)), dtype="<f4").reshape(shape)
        np.lib.format.write_array(out, array, version=(1, 0))
        rows = array.reshape(shape[0], -1).tolist() if shape and array.size else []
        fortran = b"'fortran_order': True" in out.getvalue()
        cases.append({"name": f"shape {shape}", "descr": "<f4", "fortran": fortran, "version": 1,
                      "shape": list(shape), "hex": out.getvalue().hex(), "rows": rows})
    save("npy.json", cases)


def shown(value):
    """The same tree as the test makes of what it reads."""
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, tuple):
        return {"tuple": [shown(v) for v in value]}
    if isinstance(value, list):
        return [shown(v) for v in value]
    if isinstance(value, dict):
        return {"dict": [[shown(k), shown(v)] for k, v in value.items()]}
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            return {"shape": list(value.shape), "objects": [shown(v) for v in value.ravel()]}
        if value.dtype.kind in "US":
            text = [v.decode() if isinstance(v, bytes) else v for v in value.ravel().tolist()]
            return {"shape": list(value.shape), "texts": text}
        # values in the order of the file
        return {"shape": list(value.shape), "values": value.ravel(order="K").astype("f8").tolist()}
    if isinstance(value, np.generic):
        return {"scalar": float(value)}
    return value


def pickles():
    objects = np.empty(3, dtype=object)
    objects[:] = [np.arange(4.0), np.arange(3, dtype=">i2"), "text"]
    values = {
        "plain": [None, True, False, 0, 1, -1, 255, 65535, -70000, 2**40, -(2**63), 1.5, -0.25, "a", "é€😀\\\n\0'\"", b"",
                  b"\0\xff'\n\\", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, {"k": [1, {"n": ()}]}],
        "long": {"t": "x" * 300, "b": b"\xfe" * 300},
        "shared": [["s"]] * 2,
        "many": list(range(1100)),
        "arrays": {"f4": np.arange(6, dtype="<f4").reshape(2, 3), "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
                   "u1": np.arange(5, dtype="u1"), ">i4": np.array([[-1, 70000]], dtype=">i4"), "b": np.array([True, False]),
                   "empty": np.zeros((0, 3)), "0d": np.array(2.5), "f2": np.array([0.5, -2], dtype="f2")},
        "texts": [np.array(["N", "AF~", "é"]), np.array([b"ab", b"c"])],
        "objects": objects,
        "dict0d": np.array({"train": np.ones((2, 2))}, dtype=object),
        "scalars": [np.float32(0.5), np.int64(-7), np.uint8(200), np.bool_(True)],
    }
    cases = []
    for name, value in values.items():
        written = {}
        for protocol in range(6):
            if name == "many" and protocol not in (0, 3):
                continue
            written[protocol] = pickle.dumps(value, protocol=protocol).hex()
        if name == "arrays":
            # the names of numpy 1
            data = pickle.dumps(value, protocol=2)
            written["numpy 1"] = data.replace(b"numpy._core", b"numpy.core").hex()
        cases.append({"name": name, "hex": written, "value": shown(value)})
    save("pickle.json", cases)


class Pipe(io.BytesIO):
    """What cannot seek: sizes then come behind the data."""

    def seekable(self):
        return False

    def tell(self):
        raise OSError

    def seek(self, *_):
        raise OSError


def archives():
    cases = []
    # bytes that look like the signatures that a reader seeks
    tricky = b"PK\x07\x08" * 3 + b"PK\x03\x04" + bytes(range(256)) + b"PK\x07"
    files = {"folder/alpha.txt": b"alpha" * 20, "empty": b"", "tricky": tricky, "p\u00e4th": b"\0" * 500, "last": b"PK\x07\x08"}

    def add(name, data, members=files, error=""):
        listed = [[path, body.hex()] for path, body in members.items()]
        cases.append({"name": name, "hex": data.hex(), "members": listed, "error": error})

    for method, word in [(zipfile.ZIP_STORED, "stored"), (zipfile.ZIP_DEFLATED, "deflated")]:
        for out, way in [(io.BytesIO(), "sizes first"), (Pipe(), "sizes last")]:
            for big in [False, True]:
                out.__init__()
                with zipfile.ZipFile(out, "w", method) as archive:
                    archive.comment = b"PK\x07\x08 a comment"
                    archive.writestr("folder/", b"")
                    for path, body in files.items():
                        info = zipfile.ZipInfo(path)
                        info.compress_type = method
                        with archive.open(info, "w", force_zip64=big) as member:
                            member.write(body)
                add(f"zip {word} {way}{' zip64' if big else ''}", out.getvalue())
                if way == "sizes last" and not big:
                    add(f"zip {word} split", b"PK\x07\x08" + out.getvalue())
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("a", b"abcd")
    plain = plain.getvalue()
    locked = bytearray(plain)
    locked[6] |= 1
    add("zip encrypted", bytes(locked), {}, "encrypted")
    wrong = bytearray(plain)
    wrong[31] ^= 1  # the first byte of the data
    add("zip wrong sum", bytes(wrong), {}, "sum")
    for path, word in [("../a", "leaves"), ("/a", "absolute"), ("C:a", "drive"), ("a\\..\\..\\b", "leaves")]:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(path, b"x")
        add(f"zip {path}", out.getvalue(), {}, word)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"x")
    add("zip bzip2", out.getvalue(), {}, "bzip2")
    out = io.BytesIO()
    zipfile.ZipFile(out, "w").close()
    add("zip empty", out.getvalue(), {})
    for form in [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as archive:
            for path, body in list(files.items()) + [("long/" * 30 + "name", b"x")]:
                info = tarfile.TarInfo(path)
                info.size = len(body)
                archive.addfile(info, io.BytesIO(body))
        members = {**files, "long/" * 30 + "name": b"x"}
        add(f"tar.xz {form}", lzma.compress(out.getvalue()), members)
    members = {"folder/alpha.txt": files["folder/alpha.txt"]}
    parts = io.BytesIO()
    with tarfile.open(fileobj=parts, mode="w") as archive:
        info = tarfile.TarInfo("folder/alpha.txt")
        info.size = 100
        archive.addfile(info, io.BytesIO(files["folder/alpha.txt"]))
    parts = parts.getvalue()
    add("tar.xz of two streams", lzma.compress(parts[:700]) + lzma.compress(parts[700:]), members)
    save("archive.json", cases)

    cases = []
    arrays = {"train": np.arange(6, dtype="f4").reshape(2, 3), "label": np.array([1, 0, 1], dtype="u1"), "f": np.ones((2, 2), order="F")}
    for writer, name in [(np.savez, "stored"), (np.savez_compressed, "deflated")]:
        for out in [io.BytesIO(), Pipe()]:
            out.__init__()
            writer(out, **arrays)
            listed = [[key, list(value.shape), value.ravel().astype("f8").tolist()] for key, value in arrays.items()]
            cases.append({"name": f"{name} {type(out).__name__}", "hex": out.getvalue().hex(), "arrays": listed})
    save("npz.json", cases)


npy()
pickles()
archives()
