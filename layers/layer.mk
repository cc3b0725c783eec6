# How every layer is made. ARTIFACTS_DIR is where `sam build` wants it.
PYTHON := $(shell ../../tools/find-python)
SITE = $(ARTIFACTS_DIR)/python

define install
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
	  --require-hashes --no-deps --only-binary=:all: --no-compile \
	  --implementation cp --python-version 3.13 \
	  --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 \
	  --target $(SITE) -r requirements.txt
	$(PYTHON) ../../tools/trim_layer.py $(SITE)
	$(PYTHON) -m compileall -q -j 0 --invalidation-mode unchecked-hash $(SITE)
endef
