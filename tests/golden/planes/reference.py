"""Numbers that tests/it/cosmic.rs and tests/it/psicov.rs quote: the real files of the data folder, read by numpy, pickle and
astropy, with the steps of the task specification (sections 8.2 and 9.2) written again. Usage: reference.py DATA_FOLDER"""

import pickle
import sys

import numpy as np
from astropy.io import fits

data = sys.argv[1]

print("cosmic: stamps of 256, rows and columns 64..191: sum of the image, first and last pixel, hit, ignored")
for tile in range(3):
    image, mask, ignore = np.load(f"{data}/cosmic/saao_rf0420_tile{tile}.npy")[:, 64:192, 64:192]
    print(tile, image.sum(dtype="f8"), image[0, 0], image[127, 127], mask.sum(), ignore.sum())

print("cosmic: gmos_ltt7379.npy in stamps of 64: two rows of three")
gmos = np.load(f"{data}/cosmic/gmos_ltt7379.npy")
for top in (0, 64):
    for left in (0, 64, 128):
        image, mask, ignore = gmos[:, top + 16 : top + 48, left + 16 : left + 48]
        print(image.sum(dtype="f8"), mask.sum(), ignore.sum())

print("cosmic: the HST file in stamps of 64")
hdus = fits.open(f"{data}/cosmic/j033216m2743_00152.beams.fits")
for at, hdu in enumerate(hdus):
    if hdu.name != "SCI":
        continue
    dq = next(h for h in hdus[at:] if h.name == "DQ").data.astype("i8")
    image = (hdu.data.astype("f8") * hdu.header["EXPTIME"]).astype("f4")
    assert hdu.header["MDRIZSKY"] == 0 and hdu.header["BUNIT"] == "ELECTRONS/S"
    hit = dq & (4096 | 8192) != 0
    ignore = dq & ~(4096 | 8192) != 0
    for y, x in np.argwhere(image > 70_000):
        ignore[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4] = True
    ignore |= ~np.isfinite(image)
    image[~np.isfinite(image)] = 0
    for left in range(0, image.shape[1] // 64 * 64, 64):
        crop = slice(16, 48), slice(left + 16, left + 48)
        print(image[crop].sum(dtype="f8"), hit[crop].sum(), ignore[crop].sum())


def protein(name):
    f = pickle.load(open(f"{data}/psicov/features/{name}.pkl", "rb"))
    length = len(f["seq"])
    x = np.zeros((57, length, length), "f4")
    rows = [*f["ss"], *f["pssm"].T, f["sa"], f["entropy"]]
    for at, row in enumerate(rows):
        x[2 * at] = row[None, :]
        x[2 * at + 1] = row[:, None]
    x[54], x[55], x[56] = f["ccmpred"], f["freecon"], f["potential"]
    y = np.load(f"{data}/psicov/distance/{name}-cb.npy", allow_pickle=True)[2].copy()
    y[y < 1] = 1
    y[0, 0], y[-1, -1] = y[0, 1], y[-1, -2]
    for q in range(1, length - 1):
        y[q, q] = (y[q, q - 1] + y[q, q + 1]) / 2
    canvas = max(512, length + 10)
    padded_x, padded_y = np.zeros((57, canvas, canvas), "f4"), np.full((canvas, canvas), 100, "f4")
    padded_x[:, 5 : 5 + length, 5 : 5 + length] = x
    padded_y[5 : 5 + length, 5 : 5 + length] = y
    return length, padded_x, padded_y


print("psicov: length, sums of the inputs and of the distances over the canvas; of tile (0, 1); some values")
for name in ("1a3aA", "1guuA", "toxd"):
    length, x, y = protein(name)
    weights = np.arange(1, 58, dtype="f8")[:, None, None]
    print(name, length, x.sum(dtype="f8"), (x * weights).sum(), y.sum(dtype="f8"), np.minimum(y, 16)[:128, :128].sum(dtype="f8"))
    tile = x[:, :128, 128:256]
    print("  tile", (tile * weights).sum(), y[:128, 128:256].sum(dtype="f8"))
    print("  values", x[7, 20, 33], x[50, 20, 33], x[54, 20, 33], x[56, 9, 41], y[20, 33], y[30, 30], y[5, 5])
    # MAE8 of 10 + 0.01 row + 0.02 column over the canvas, with the steps of section 8.5
    o = 10 + 0.01 * np.arange(512)[:, None] + 0.02 * np.arange(512)[None, :]
    o = np.where(np.triu(np.ones((512, 512), bool)), (o + o.T) / 2, o)
    o[o < 0.01] = 0.01
    o, y = o[5:507, 5:507], y[5:507, 5:507]
    for separation in (24, 12):
        for cutoff in (8, 12):
            d = (o.T + o) / 2
            j, k = np.indices(d.shape)
            pairs = (k - j >= separation) & (y <= cutoff)
            print("  error", separation, cutoff, np.abs(y - d)[pairs].mean(), pairs.sum())
