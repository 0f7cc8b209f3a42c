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
# # The theorems in simulation
#
# Theorem 3.1 bounds the error of the fused mask, theorem 3.6 that of the quality score. The paper
# proves both and tries neither. Here candidates are drawn as the assumptions have them, and error
# and bound are compared in 10,000 trials for each K and threshold. The formulas are in
# `boxseg.theory`, which says what of them is reconstructed.

# %%
import pandas as pd
from IPython.display import Image

from boxseg.theory import (
    MaskErrors,
    Scores,
    simulate_fused_mask,
    simulate_quality_score,
    sweep_fused_mask,
    sweep_quality_score,
)
from reports.figures.panels import bounds_figure

counts, thresholds, delta = range(1, 21), (0.0, 0.1, 0.3, 0.5), 0.05

# %% [markdown]
# Theorem 3.1, the first term read as the candidates' systematic error, which is 0 as assumed. You
# see how often the bound holds, and that the error takes about a quarter of it. You cannot conclude
# that real candidates behave so: they are not independent.

# %%
fused = pd.DataFrame(sweep_fused_mask(counts, thresholds, delta=delta))
Image(bounds_figure("fused", "Theorem 3.1", fused, delta).png)

# %% [markdown]
# The same with the first term read as the greatest error of the candidates drawn. You see a bound
# that always holds; that is no merit of the other two terms, because a weighted mean is never
# further off than the worst of what it averages.

# %%
realised = pd.DataFrame(sweep_fused_mask(counts, thresholds, delta=delta, reading="realised"))
Image(bounds_figure("realised", "Theorem 3.1, realised", realised, delta).png)

# %% [markdown]
# Theorem 3.6. You see a bound that holds and that is loose: the error takes a twentieth to an
# eighth of it. A bound this wide does not say that the quality score is precise.

# %%
quality = pd.DataFrame(sweep_quality_score(counts, thresholds, delta=delta))
Image(bounds_figure("quality", "Theorem 3.6", quality, delta).png)

# %% [markdown]
# What breaks them. Candidates that share the sign of their errors (0: none, 1: all) do not average
# out, and scores that are copies of one another do not either. You see the share of trials within
# the bound of 20 candidates at a threshold of 0.1; 0.95 is promised. You cannot tell from here how
# correlated a real teacher's candidates are; notebook 03 shows how alike they look.

# %%
shares = (0.0, 0.25, 0.5, 0.75, 1.0)
errors = [MaskErrors(correlation=share) for share in shares]
scores = [Scores(alpha=0.3, beta=0.3, correlation=share) for share in shares]
pd.DataFrame(
    {
        "correlation": shares,
        "theorem 3.1": [simulate_fused_mask(20, 0.1, errors=one).share_within for one in errors],
        "theorem 3.6": [simulate_quality_score(20, 0.1, scores=one).share_within for one in scores],
    }
)
