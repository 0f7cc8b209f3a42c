"""What is done with a trained or published checkpoint: evaluating, predicting, importing."""
