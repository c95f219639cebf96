"""Data that people labelled, and how it is split: `FOLDER/amazon_reviews.csv` or `FOLDER/reviews.csv`, `FOLDER/debian_packages.parquet`.

A row's place in the split is drawn by a hash of its id, so that it is the same in every run and for everybody.
"""

import csv
import hashlib
from pathlib import Path

SENTIMENTS = ("positive", "negative", "neutral")
BORDER = 0.5


def reviews(folder):
    """Review sentences in the split's order, with what people said, and the name of their file."""
    for name in ("amazon_reviews.csv", "reviews.csv"):
        path = Path(folder) / name
        if path.exists():
            with path.open(newline="") as file:
                rows = [{**row, "mean": float(row["sentiment"])} for row in csv.DictReader(file)]
            return sorted(rows, key=lambda row: drawn(row["id"])), name
    raise SystemExit(f"{folder} has neither amazon_reviews.csv nor reviews.csv")


def people(row):
    """The label that the mean of 20 ratings from −4 to 4 is read as."""
    if row["mean"] > BORDER:
        return "positive"
    return "negative" if row["mean"] < -BORDER else "neutral"


def drawn(name):
    return hashlib.sha256(f"corsac {name}".encode()).hexdigest()


def write(path, head, rows):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(head)
        out.writerows(rows)


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
