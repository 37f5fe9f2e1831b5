# Prints what tests/it/ninapro.rs quotes, by numpy and scipy, and writes db5.mat: a small file with the variables of a DB5 file.
# Usage: python check.py FOLDER, where FOLDER holds ninapro_train.npy and its siblings and myo_raw/.
import glob, os, sys
import numpy as np, scipy.io

D = sys.argv[1] + '/'


def show(name, x, y):
    v = x.astype(np.float64)
    print(name, x.shape, np.bincount(y).tolist(), v.sum(), (v ** 2).sum(), x[0, 0, 0], x[len(x) // 2, 3, 20], x[-1, -1, -1])


print('official')
a = {p: np.load(D + f'ninapro_{p}.npy').transpose(0, 2, 1).astype(np.float32) for p in ('train', 'val', 'test')}
l = {p: np.load(D + f'label_{p}.npy') for p in ('train', 'val', 'test')}
show('train+val', np.concatenate([a['train'], a['val']]), np.concatenate([l['train'], l['val']]))
show('test', a['test'], l['test'])


def parts(windows):
    """(window, gesture, repetition) to the three parts: last repetition, the one before, the others, each shuffled."""
    top = max(r for _, _, r in windows)
    ids = sorted({g for _, g, _ in windows if g})
    out = {'train': [], 'val': [], 'test': []}
    for w, g, r in windows:
        out['test' if r == top else 'val' if r == top - 1 else 'train'].append((w, ids.index(g) + 1 if g else 0))
    for name, part in out.items():
        order = np.random.RandomState(0).permutation(len(part))
        yield name, np.array([part[i][0] for i in order]), np.array([part[i][1] for i in order])


print('armband')
windows = []
for f in sorted(glob.glob(D + 'myo_raw/Female0/training0/classe_*.dat')):
    i = int(os.path.basename(f)[7:-4])
    v = np.fromfile(f, '<i2').reshape(-1, 8)
    for s in range(0, len(v) - 51, 52):
        windows.append((v[s:s + 52].T.astype(np.float32), i % 7, i // 7 + 1))
for name, x, y in parts(windows):
    show(name, x, y)

print('db5')
rng = np.random.RandomState(1)
emg, stim, rep = [], [], []
for gesture in range(13, 16):  # exercise B counts on from exercise A
    for r in range(1, 7):
        for n, g in ((37 + 5 * r, 0), (90 + 7 * gesture, gesture)):
            emg.append(rng.randint(-128, 128, (n, 4)))
            stim.append(np.full(n, g))
            rep.append(np.full(n, r if g else 0))
emg, stim, rep = np.concatenate(emg), np.concatenate(stim), np.concatenate(rep)
out = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'db5.mat')
scipy.io.savemat(out, {'emg': emg.astype(np.float64), 'acc': np.zeros((len(emg), 3), np.float32),
                       'restimulus': stim[:, None].astype(np.int8), 'rerepetition': rep[:, None].astype(np.int8)},
                 do_compression=True)
windows, last = [], 1
for s in range(0, len(emg) - 51, 52):
    g, r = stim[s:s + 52], rep[s:s + 52]
    values, first, counts = np.unique(g, return_index=True, return_counts=True)
    most = [v for _, v in sorted((f, v) for v, f, c in zip(values, first, counts) if c == counts.max())][0]
    for v in r:
        last = v if v else last
    own = r[(g == most) & (r > 0)]
    windows.append((emg[s:s + 52].T.astype(np.float32), most, own[0] if len(own) else last))
for name, x, y in parts(windows):
    show(name, x, y)
