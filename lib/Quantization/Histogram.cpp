//===- Histogram.cpp - Counts on a grid that data do not decide -----------===//

#include "quantc/Quantization/Histogram.h"

#include <cmath>
#include <limits>

using namespace llvm;
using namespace quantc;

/// Pages of numbers whose exponent has all bits set: Inf and NaN.
static constexpr uint32_t specialPages[] = {255, 511};

Histogram &Histogram::operator=(const Histogram &other) {
  for (auto [page, source] : zip(pages, other.pages))
    page = source ? std::make_unique<Page>(*source) : nullptr;
  return *this;
}

bool Histogram::operator==(const Histogram &other) const {
  auto isEmpty = [](const std::unique_ptr<Page> &page) {
    return !page || all_of(*page, [](uint64_t n) { return n == 0; });
  };
  return all_of(zip(pages, other.pages), [&](auto pair) {
    auto &[a, b] = pair;
    return isEmpty(a) || isEmpty(b) ? isEmpty(a) && isEmpty(b) : *a == *b;
  });
}

Histogram::Page &Histogram::getPage(uint32_t index) {
  if (!pages[index]) {
    pages[index] = std::make_unique<Page>();
    pages[index]->fill(0);
  }
  return *pages[index];
}

void Histogram::add(ArrayRef<float> values) {
  for (float value : values) {
    uint32_t key = getKey(value);
    Page *page = pages[key / pageSize].get();
    if (LLVM_UNLIKELY(!page))
      page = &getPage(key / pageSize);
    ++(*page)[key % pageSize];
  }
}

void Histogram::add(uint32_t key, uint64_t count) {
  getPage(key / pageSize)[key % pageSize] += count;
}

void Histogram::merge(const Histogram &other) {
  other.forEachKey([&](uint32_t key, uint64_t count) { add(key, count); });
}

void Histogram::forEachKey(function_ref<void(uint32_t, uint64_t)> call) const {
  for (uint32_t i = 0; i < pages.size(); ++i)
    if (pages[i])
      for (uint32_t j = 0; j < pageSize; ++j)
        if (uint64_t count = (*pages[i])[j])
          call(i * pageSize + j, count);
}

uint64_t Histogram::countFinite() const {
  uint64_t sum = 0;
  forEachKey([&](uint32_t key, uint64_t count) {
    if (!is_contained(specialPages, key / pageSize))
      sum += count;
  });
  return sum;
}

uint64_t Histogram::countInfinite() const {
  uint64_t sum = 0;
  for (uint32_t page : specialPages)
    if (pages[page])
      sum += (*pages[page])[0];
  return sum;
}

uint64_t Histogram::countNaN() const {
  uint64_t sum = 0;
  for (uint32_t page : specialPages)
    if (pages[page])
      for (uint64_t count : ArrayRef<uint64_t>(*pages[page]).drop_front())
        sum += count;
  return sum;
}

std::vector<Histogram::Bucket> Histogram::getBuckets() const {
  std::vector<Bucket> negative, positive;
  forEachKey([&](uint32_t key, uint64_t count) {
    uint32_t page = key / pageSize;
    if (is_contained(specialPages, page))
      return;
    float near = bit_cast<float>(key << keyShift);
    float far = bit_cast<float>((key + 1) << keyShift);
    // The bucket of the largest numbers ends where Inf begins.
    if (is_contained(specialPages, (key + 1) / pageSize))
      far = std::copysign(std::numeric_limits<float>::max(), near);
    if (page < 256)
      positive.push_back({key, near, far, count});
    else
      negative.push_back({key, far, near, count});
  });
  std::reverse(negative.begin(), negative.end());
  negative.insert(negative.end(), positive.begin(), positive.end());
  return negative;
}
