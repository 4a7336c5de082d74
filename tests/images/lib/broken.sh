# shellcheck shell=bash
# Images no server should fall over: tests/images/lib/broken.py does the byte work.
build_broken() { fail "$1: not yet"; }
