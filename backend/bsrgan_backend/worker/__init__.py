"""The process that owns a device: pixels in, network, pixels out; imports no ZeroMQ."""
