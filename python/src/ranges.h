//===- ranges.h - Range methods and scales for Python -----------*- C++ -*-===//
#ifndef QUANTC_PYTHON_SRC_RANGES_H
#define QUANTC_PYTHON_SRC_RANGES_H

#include <nanobind/nanobind.h>

/// Adds compute_scale, choose_range and choose_ranges to the module.
void addRanges(nanobind::module_ &m);

#endif // QUANTC_PYTHON_SRC_RANGES_H
