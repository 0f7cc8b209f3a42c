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
# # Four methods on the same images
#
# BoxInst, BoxTeacher, SIM and BoxSeg, each trained for 300 iterations on 400 generated scenes. That
# is half of the mini scale's 1x schedule, on a fifth of its images: enough for masks to be seen,
# and too little to rank methods by. The four runs take minutes in all; finished ones are reused.

# %%
from pathlib import Path

from IPython.display import HTML

from experiments.reporting.gallery import (
    compared_images,
    gallery_fragment,
    predicted_images,
    run_config,
)
from experiments.reporting.notebook_runs import enter_repository, short_runs
from experiments.run.data import dataset_of

runs = short_runs(enter_repository(), "boxinst", "boxteacher", "sim", "boxseg")

# %% [markdown]
# The images are chosen by a rule and not by taste: all images of the split are put in the order of
# BoxSeg's mean best-overlap IoU minus BoxTeacher's, and those at the quantiles 0 (BoxSeg's worst),
# 1/4, 1/2, 3/4 and 1 are shown; then the first image of each situation of the paper's figure 5.
#
# You see where the methods differ after a short training, and by how much at most on these images.
# You cannot conclude which is better: this is one seed, five of forty images, and SIM's pseudo
# masks need longer than this to become useful.

# %%
HTML(gallery_fragment(compared_images(runs)))

# %% [markdown]
# The same on a folder of your own. `FOLDER` is the path of any folder of image files, absolute or
# from the checkout; `None` takes a split that none of the runs has seen, for the notebook to run as
# it is. `MODELS` are the runs to compare, by a label: runs of your own, too, such as one that
# `boxseg train method=boxseg dataset=coco-folder root=DIR run_dir=TEACHER` left.
#
# You see what the methods find there. Of photographs you cannot expect anything sensible while
# `MODELS` are the runs above: these networks know eight shapes.

# %%
FOLDER = None  # or "my-photographs/val"
MODELS = runs  # or {"BoxSeg": Path("TEACHER")}
folder = Path(FOLDER) if FOLDER else dataset_of(run_config(runs["BoxSeg"])).split("tune").images
HTML(gallery_fragment(predicted_images(folder, MODELS)))
