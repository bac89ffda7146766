"""RRDBNet in Paddle and the predictors that run it."""
