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
# # Inside the quality-aware module
#
# How BoxSeg makes a pseudo mask (section 3.3 of the paper): it ranks the teacher's predictions by
# the IoU of their boxes with the object's, fuses the masks of the best K, weighted by box quality,
# and scores the result. The teacher is that of a run of 300 iterations on 400 scenes.

# %%
import pandas as pd
from IPython.display import Image

from experiments.reporting.anatomy import quality_anatomy, quality_figure, trained_teacher
from experiments.reporting.notebook_runs import enter_repository, short_runs

teacher = trained_teacher(short_runs(enter_repository(), "boxseg")["BoxSeg"])
anatomies = [quality_anatomy(teacher, place) for place in range(3)]

# %% [markdown]
# The first object of the first training image: its box, the fused mask, the pseudo mask and the
# true one; below, the candidates, best box first. You see how alike the candidates are: the network
# predicts one box and one mask per cell, so a cell's classes are one mask several times. You cannot
# conclude from one object how good pseudo masks are.

# %%
Image(quality_figure(anatomies[0]).png)

# %% [markdown]
# The second image's first object. You see the same steps again; three objects are no sample.

# %%
Image(quality_figure(anatomies[1]).png)

# %% [markdown]
# The third image's first object, likewise.

# %%
Image(quality_figure(anatomies[2]).png)

# %% [markdown]
# The candidates of the first object as numbers. You see that the weights are close to one another,
# because square roots of scores and IoUs are. You cannot tell from here whether weighting helps:
# that is table 4's question.

# %%
columns = ["class_name", "box_iou", "score", "weight"]
pd.DataFrame(anatomies[0].candidates)[columns].round(3)

# %% [markdown]
# Of each object: the candidates asked for (K, by the object's area), those with a score above the
# threshold, the cells they come from, the quality, and the IoU with the true mask, which no method
# sees. You see whether quality and IoU go together on three objects; whether they do in general is
# the calibration figure's question.

# %%
pd.DataFrame([one.summary for one in anatomies]).round(3)
