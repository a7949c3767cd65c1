//===- weights.h - Weight methods for Python --------------------*- C++ -*-===//
#ifndef QUANTC_PYTHON_SRC_WEIGHTS_H
#define QUANTC_PYTHON_SRC_WEIGHTS_H

#include <nanobind/nanobind.h>

/// Adds quantize_matrix to the module.
void addWeights(nanobind::module_ &m);

#endif // QUANTC_PYTHON_SRC_WEIGHTS_H
