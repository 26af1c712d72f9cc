"""Trains a small network on the digits table in /data and prints how it goes. numpy only.

The data is read-only; the model goes to /output where the job has one, else to /tmp, which is
wiped with the rest of the sandbox.
"""
import csv
import gzip
import os
import sys
import time

import numpy as np

DATA = "/data/digits.csv.gz"
HIDDEN, EPOCHS, BATCH, RATE = 64, 12, 64, 0.4


def load(path):
    with gzip.open(path, "rt", newline="") as table:
        rows = np.array([[float(cell) for cell in row] for row in csv.reader(table)])
    return rows[:, :-1] / 16.0, rows[:, -1].astype(int)


def split(samples, labels, random):
    order = random.permutation(len(samples))
    border = len(samples) * 4 // 5
    train, test = order[:border], order[border:]
    return samples[train], labels[train], samples[test], labels[test]


class Network:
    """One hidden layer: relu, then softmax."""

    def __init__(self, inputs, classes, random):
        self.first = random.normal(0, np.sqrt(2 / inputs), (inputs, HIDDEN))
        self.first_bias = np.zeros(HIDDEN)
        self.second = random.normal(0, np.sqrt(2 / HIDDEN), (HIDDEN, classes))
        self.second_bias = np.zeros(classes)

    def forward(self, batch):
        hidden = np.maximum(batch @ self.first + self.first_bias, 0)
        scores = hidden @ self.second + self.second_bias
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return hidden, scores / scores.sum(axis=1, keepdims=True)

    def learn(self, batch, labels):
        hidden, odds = self.forward(batch)
        rows = np.arange(len(labels))
        loss = -np.log(odds[rows, labels] + 1e-12).mean()
        odds[rows, labels] -= 1
        slope = odds / len(labels)
        back = (slope @ self.second.T) * (hidden > 0)
        self.second -= RATE * hidden.T @ slope
        self.second_bias -= RATE * slope.sum(axis=0)
        self.first -= RATE * batch.T @ back
        self.first_bias -= RATE * back.sum(axis=0)
        return loss

    def accuracy(self, samples, labels):
        return (self.forward(samples)[1].argmax(axis=1) == labels).mean()


def main():
    random = np.random.default_rng(7)
    samples, labels, test_samples, test_labels = split(*load(DATA), random)
    print(f"uid {os.getuid()}, {len(samples)} samples of {samples.shape[1]} values", flush=True)
    network = Network(samples.shape[1], labels.max() + 1, random)
    started = time.monotonic()
    for epoch in range(1, EPOCHS + 1):
        order = random.permutation(len(samples))
        losses = [network.learn(samples[part], labels[part])
                  for part in np.array_split(order, len(order) // BATCH)]
        accuracy = network.accuracy(test_samples, test_labels)
        print(f"epoch {epoch:2d}  loss {np.mean(losses):.4f}  accuracy {accuracy:.3f}", flush=True)
    folder = "/output" if os.access("/output", os.W_OK) else "/tmp"
    np.savez(os.path.join(folder, "model.npz"), first=network.first, second=network.second,
             first_bias=network.first_bias, second_bias=network.second_bias)
    accuracy = network.accuracy(test_samples, test_labels)
    print(f"final accuracy {accuracy:.3f} in {time.monotonic() - started:.2f} s", flush=True)
    return 0 if accuracy > 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())
