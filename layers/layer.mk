# How every layer is built; `sam build` sets ARTIFACTS_DIR.
PYTHON := $(shell ../../tools/find-python)
SITE = $(ARTIFACTS_DIR)/python

# amazon-dax-client is published as source only; it is pure Python.
define install
	@[ -n "$(PYTHON)" ] || exit 1
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || \
	  { echo "$(PYTHON) has no pip: run make env first, or install it (python3-pip)." >&2; exit 1; }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
	  --require-hashes --no-deps --only-binary=:all: --no-binary=amazon-dax-client --no-compile \
	  --implementation cp --python-version 3.13 \
	  --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 \
	  --target $(SITE) -r requirements.txt
	$(PYTHON) trim_layer.py $(SITE) $(wildcard services.txt)
	$(PYTHON) -m compileall -q -j 0 --invalidation-mode unchecked-hash -s $(SITE) -p /opt/python $(SITE)
endef
