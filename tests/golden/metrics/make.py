"""Golden values of the ranking metrics, F1, rates and distance errors, by scikit-learn and numpy.

    python3 -m venv VENV && VENV/bin/pip install numpy scikit-learn
    VENV/bin/python tests/golden/metrics/make.py > tests/golden/metrics/scores.json

Short inputs stand in the file; long ones come from ../formula.py, which tests/it/metrics.rs repeats: `scores` of a case with
`stream` are draw(stream, n), multiplied by `steps` and rounded where that is given (ties), times `scale`; a label is positive
where draw(stream + 1, n) < `below`. `null`: undefined.
"""
import json
import pathlib
import sys
import warnings

import numpy as np
from sklearn.metrics import average_precision_score, confusion_matrix, f1_score, roc_auc_score

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from formula import draw  # noqa: E402

warnings.filterwarnings("ignore")


def ranked(scores, labels):
    scores, labels = np.asarray(scores, dtype=np.float32).astype(np.float64), np.asarray(labels, dtype=bool)
    ap = float(average_precision_score(labels, scores)) if labels.any() else None
    auroc = float(roc_auc_score(labels, scores)) if labels.any() and not labels.all() else None
    return {"ap": ap, "auroc": auroc}


SHORT = {
    "of the specification": ([0.9, 0.9, 0.7, 0.2, 0.2, 0.1], [1, 0, 1, 1, 0, 0]),
    "one positive sample": ([0.3], [1]),
    "one negative sample": ([0.3], [0]),
    "all positive": ([0.1, 0.5, 0.3], [1, 1, 1]),
    "all negative": ([0.1, 0.5, 0.3], [0, 0, 0]),
    "all equal": ([2.5] * 7, [1, 0, 0, 1, 0, 1, 0]),
    "perfect": ([3, 2, 1, 0], [1, 1, 0, 0]),
    "reversed": ([0, 1, 2, 3], [1, 1, 0, 0]),
    "both zeros": ([0.0, -0.0, 0.0, -0.0, 1.0], [1, 0, 0, 1, 0]),
    "huge and small": ([3.4e38, -3.4e38, 1e-45, -1e-45, 0.0, 1.2e-38, -1.2e-38, 3.3e38], [1, 0, 1, 1, 0, 0, 1, 0]),
    "neighbours in f32": ([1.0, 1.00000011920928955, 0.999999940395355, 1.0], [0, 1, 1, 1]),
    "negative logits": ([-8.5, -3.25, -3.25, -12.0, -0.5], [0, 1, 0, 1, 0]),
    "ties at both ends": ([5, 5, 5, 1, 1, 1, 3], [1, 0, 1, 0, 0, 1, 1]),
}
LONG = [
    {"n": 5000, "stream": 1, "below": 0.1},
    {"n": 5000, "stream": 3, "below": -0.49},
    {"n": 5000, "stream": 5, "below": 0.49},
    {"n": 20011, "stream": 7, "below": 0.0, "steps": 12},
    {"n": 4096, "stream": 9, "below": -0.2, "steps": 2},
    {"n": 3001, "stream": 11, "below": -0.3, "steps": 400, "scale": 1e30},
    {"n": 3001, "stream": 13, "below": -0.3, "scale": 2.0**-120},
    {"n": 100003, "stream": 15, "below": -0.4997},
]
ranking = [{"name": k, "scores": [float(np.float32(x)) for x in s], "labels": y} | ranked(s, y) for k, (s, y) in SHORT.items()]
for case in LONG:
    s = draw(case["stream"], case["n"])
    if "steps" in case:
        s = np.floor(s * case["steps"])
    ranking.append(case | ranked(s * case.get("scale", 1.0), draw(case["stream"] + 1, case["n"]) < case["below"]))

CLASSES = [
    ([0], [0], 1),
    ([0], [1], 2),
    ([0, 0, 1, 1, 2], [0, 1, 1, 1, 0], 4),
    ([3, 3, 3], [3, 3, 3], 4),
    ([0, 1, 2, 3], [1, 2, 3, 0], 4),
]
f1 = [{"truth": t, "predicted": p, "classes": c} for t, p, c in CLASSES]
f1.append({"n": 853, "stream": 21, "classes": 4})
f1.append({"n": 10000, "stream": 23, "classes": 18})
for case in f1:
    if "n" in case:
        truth, predicted = (np.floor((draw(case["stream"] + i, case["n"]) + 0.5) ** 2 * case["classes"]).astype(int) for i in (0, 1))
    else:
        truth, predicted = case["truth"], case["predicted"]
    case["f1"] = f1_score(truth, predicted, labels=range(case["classes"]), average=None, zero_division=0).tolist()
    case["macro"] = float(f1_score(truth, predicted, labels=range(case["classes"]), average="macro", zero_division=0))

# a pixel is hot where draw(31) > 0.45, found where draw(32) > 0.4
truth, predicted = draw(31, 40000) > 0.45, draw(32, 40000) > 0.4
(tn, fp), (fn, tp) = confusion_matrix(truth, predicted)
rates = {"n": 40000, "stream": 31, "tp": int(tp), "fp": int(fp), "tn": int(tn), "fn": int(fn)}
rates |= {"tpr": tp / (tp + fn), "fpr": fp / (fp + tn), "fnr": 1 - tp / (tp + fn)}


def contacts(side, length, pad, stream):
    """Whole-array form of task specification §8.5, steps 2 to 6: map 12·draw + 4, truth |12·draw(stream + 1)| + 4, symmetric."""
    out = (12 * draw(stream, (side, side)) + 4).astype(np.float32).astype(np.float64)
    truth = 12 * np.abs(draw(stream + 1, (side, side))) + 4
    truth = np.triu(truth) + np.triu(truth, 1).T
    truth = truth.astype(np.float32).astype(np.float64)
    upper = np.triu(np.ones((side, side), bool))
    out = np.where(upper, (out + out.T) / 2, out)
    out[out < 0.01] = 0.01
    out, truth = out[pad : pad + length, pad : pad + length], truth[pad : pad + length, pad : pad + length]
    final = (out + out.T) / 2
    j, k = np.indices(final.shape)
    found = []
    for separation, cutoff in [(24, 8), (12, 8), (24, 12), (12, 12)]:
        chosen = (k - j >= separation) & (truth <= cutoff)
        mean = float(np.abs(truth - final)[chosen].mean()) if chosen.any() else None
        found.append({"pairs": int(chosen.sum()), "mean": mean})
    return {"side": side, "length": length, "stream": stream, "errors": found}


distances = [contacts(96, 80, 5, 41), contacts(64, 20, 5, 43), contacts(48, 12, 5, 45), contacts(512, 300, 5, 47)]


def rows(name, items):
    return f'"{name}": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]"


print("{" + ",\n".join([rows("ranking", ranking), rows("f1", f1), f'"rates": {json.dumps(rates)}', rows("distances", distances)]) + "}")
