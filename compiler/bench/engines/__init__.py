"""The engines that `vcc bench` times, one adapter a file, all with the interface in `interface.py`."""
