# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Table 3, reproduced
#
# Table 3 of the paper compares the box-supervised loss (BoxInst), BoxTeacher, BoxSeg's
# quality-aware module (QAM), and QAM with peer-assisted copy-paste (PC). This notebook runs the
# table's four rows at smoke scale, which takes seconds and whose numbers mean nothing, and then
# reports the runs that are committed in `reports/results`.

# %%
from IPython.display import Markdown

from experiments.cli import main
from experiments.reporting.notebook_runs import enter_repository

runs = enter_repository()

# %% [markdown]
# Every run that the table consists of. You see what `make table3` would do, at the mini scale; you
# cannot see how well anything works.

# %%
main(["reproduce", "table3", "--scale", "mini", "--dry-run"])

# %% [markdown]
# The 1x column at smoke scale: train, evaluate, report. You see that all four methods run from
# data to result. You cannot conclude anything from the numbers: four iterations of an untrained
# network.

# %%
words = ["--scale", "smoke", "--columns", "1x", "--runs", str(runs), "--out", str(runs / "tables")]
main(["reproduce", "table3", *words])

# %% [markdown]
# The report of the committed runs at the mini scale: means over their seeds, and how many claims
# have which verdict. You see differences between methods on generated scenes; you cannot compare
# the values of AP with the paper's, only the signs of the differences, and a verdict of "single
# run" or "inconclusive" is no evidence against a claim.

# %%
main(["report", "table3", "--runs", "reports/results", "--out", str(runs / "tables")])

# %% [markdown]
# The same table as the report writes it into a Markdown file. You see the numbers above, to be
# pasted into a page, with intervals, every verdict's reason and the runs behind them.

# %%
Markdown((runs / "tables" / "mini" / "table3.md").read_text(encoding="utf-8"))
