"""Pure pixel work in numpy and OpenCV: types, alpha, resampling, picture files."""
