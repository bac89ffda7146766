"""RRDBNet on the processor by fast convolutions (Winograd's minimal filtering, Lavin & Gray, arXiv 1509.09308, §4).

A convolution of 3x3 that gives 4x4 pixels at once takes 36 multiplications for each pair of channels instead of 144,
in float32 as before: the sums are the same up to rounding. NumPy's matrix product does them.

A picture runs row by row of such tiles, never in pieces with margins: no pixel is computed twice, and memory goes with
the width. Whatever the memory, the width of a piece and the number of threads, every tile sees the same operations,
so the result is the same to the last bit.
"""
