//===- ProfilePage.cpp - A roofline picture -------------------------------===//
//
// Each kernel is a dot: how many operations it does with a byte, and how many a
// second. The machine's limits are lines above: so much can be read, so much
// computed. How far a dot is below its line is what could be gained.
//
//===----------------------------------------------------------------------===//

#include "quantc/Profile/Profile.h"
#include "quantc/Report/Page.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace llvm;
using namespace quantc;

namespace {
/// A picture with logarithmic axes.
class Roofline {
public:
  Roofline(const Profile &profile, raw_ostream &os)
      : profile(profile), os(os) {}
  void print();

private:
  void chooseRanges();
  void printAxes();
  void printLimits();
  void printKernels();
  double x(double intensity) const {
    return left + (width - left - right) * std::log10(intensity / minX) /
                      std::log10(maxX / minX);
  }
  double y(double speed) const {
    return height - bottom -
           (height - top - bottom) * std::log10(speed / minY) /
               std::log10(maxY / minY);
  }
  void line(double x1, double y1, double x2, double y2, StringRef style) {
    os << formatv("<line x1=\"{0:f1}\" y1=\"{1:f1}\" x2=\"{2:f1}\" "
                  "y2=\"{3:f1}\" {4}/>\n",
                  x1, y1, x2, y2, style);
  }
  void text(double atX, double atY, StringRef style, const Twine &what) {
    os << formatv("<text x=\"{0:f1}\" y=\"{1:f1}\" {2}>{3}</text>\n", atX, atY,
                  style, escapeHTML(what.str()));
  }

  static constexpr double width = 760, height = 430, left = 56, right = 28,
                          top = 20, bottom = 44;
  const Profile &profile;
  raw_ostream &os;
  double minX = 1, maxX = 10, minY = 1, maxY = 10;
};
} // namespace

static bool isDot(const ProfiledKernel &kernel) {
  return kernel.operations > 0 && kernel.bytes > 0 && kernel.seconds > 0;
}

static double getSpeed(const ProfiledKernel &kernel) {
  return kernel.operations / kernel.seconds / 1e9;
}

/// A color for each kind of operations.
static StringRef getColor(StringRef operations) {
  return operations == "int8"  ? "var(--total)"
         : operations == "f32" ? "var(--own)"
                               : "var(--weight)";
}

/// "0.01", "1", "1000", "1e+06".
static std::string formatShort(double number) {
  std::string text;
  raw_string_ostream(text) << format("%g", number);
  return text;
}

void Roofline::chooseRanges() {
  double slowest = profile.peaks.reading.back().bytesPerSecond / 1e9;
  double fastest = 0;
  minX = 0.1;
  minY = INFINITY;
  for (const MachinePeaks::Operations &peak : profile.peaks.operations)
    fastest = std::max(fastest, peak.perSecond / 1e9);
  // As far as the ridge of the slowest memory, so that the roof is seen.
  maxX = 2 * fastest / slowest;
  for (const ProfiledKernel &kernel : profile.kernels) {
    if (!isDot(kernel))
      continue;
    double intensity = kernel.operations / kernel.bytes;
    minX = std::min(minX, intensity);
    maxX = std::max(maxX, intensity);
    minY = std::min(minY, getSpeed(kernel));
    fastest = std::max(fastest, getSpeed(kernel));
  }
  minY = std::min(minY, slowest * minX);
  auto decade = [](double number, bool up) {
    double power = std::log10(number);
    return std::pow(10, up ? std::ceil(power) : std::floor(power));
  };
  minX = decade(minX, false);
  maxX = decade(maxX, true);
  // A kernel that does next to nothing would leave the picture empty.
  minY = std::max(decade(minY, false), decade(fastest, true) / 1e6);
  maxY = decade(fastest * 1.2, true);
}

void Roofline::printAxes() {
  for (double power = std::log10(minX); power < std::log10(maxX) + 0.5;
       ++power) {
    double at = x(std::pow(10, power));
    line(at, top, at, height - bottom, "stroke=\"var(--line)\"");
    text(at, height - bottom + 16, "text-anchor=\"middle\"",
         formatShort(std::pow(10, std::round(power))));
  }
  for (double power = std::log10(minY); power < std::log10(maxY) + 0.5;
       ++power) {
    double at = y(std::pow(10, power));
    line(left, at, width - right, at, "stroke=\"var(--line)\"");
    text(left - 6, at + 4, "text-anchor=\"end\"",
         formatShort(std::pow(10, std::round(power))));
  }
  text((left + width - right) / 2, height - 8, "text-anchor=\"middle\"",
       "operations a byte");
  text(left, top - 8, "text-anchor=\"start\"", "GOP/s");
}

void Roofline::printLimits() {
  double fastest = 0;
  for (const MachinePeaks::Operations &peak : profile.peaks.operations)
    fastest = std::max(fastest, peak.perSecond / 1e9);
  double fastestReading = profile.peaks.reading.front().bytesPerSecond / 1e9;
  for (const MachinePeaks::Operations &peak : profile.peaks.operations) {
    double speed = peak.perSecond / 1e9;
    double begin = std::max(minX, speed / fastestReading);
    line(x(begin), y(speed), width - right, y(speed),
         formatv("stroke=\"{0}\" stroke-width=\"2\"", getColor(peak.name))
             .str());
    // Below the line where another one is close above.
    bool isFastest = speed >= fastest;
    text(width - right - 4, y(speed) + (isFastest ? -6 : 14),
         "text-anchor=\"end\" class=\"ink\"",
         formatv("{0}: {1:f0} GOP/s", peak.name, speed));
  }
  for (const auto &[i, peak] : enumerate(profile.peaks.reading)) {
    double speed = peak.bytesPerSecond / 1e9;
    double begin = std::max(minX, minY / speed);
    double end = std::min(maxX, fastest / speed);
    line(x(begin), y(begin * speed), x(end), y(end * speed),
         "stroke=\"var(--dim)\" stroke-width=\"1.5\" "
         "stroke-dasharray=\"6 4\"");
    // Along the line, each at another place, so that they do not meet.
    double at = begin * std::pow(10, 0.08 + 0.5 * double(i));
    double slope = std::atan2(y(1) - y(10), x(10) - x(1)) * 180 / M_PI;
    if (at < end)
      os << formatv("<text class=\"ink\" transform=\"translate({0:f1} {1:f1}) "
                    "rotate({2:f1})\" dy=\"-5\">{3} {4:f0} GB/s</text>\n",
                    x(at), y(at * speed), -slope, peak.name, speed);
  }
}

void Roofline::printKernels() {
  // The numbers of those that take most time, where there is room.
  constexpr size_t numLabels = 16;
  SmallVector<std::pair<double, double>> labels;
  for (const auto &[i, kernel] : enumerate(profile.kernels)) {
    if (!isDot(kernel))
      continue;
    double atX = x(kernel.operations / kernel.bytes);
    double atY = y(std::max(getSpeed(kernel), minY));
    double radius = 3 + 12 * std::sqrt(kernel.seconds / profile.seconds);
    os << formatv(
        "<circle cx=\"{0:f1}\" cy=\"{1:f1}\" r=\"{2:f1}\" "
        "fill=\"{3}\" fill-opacity=\".65\"><title>{4}: {5:f3} ms, "
        "{6:f1} GOP/s</title></circle>\n",
        atX, atY, radius, getColor(kernel.operationName),
        escapeHTML(kernel.nodes.empty() ? kernel.kernel : kernel.nodes),
        kernel.seconds * 1e3, getSpeed(kernel));
    atX += radius + 2;
    if (labels.size() >= numLabels ||
        any_of(labels, [&](const std::pair<double, double> &other) {
          return std::abs(other.first - atX) < 16 &&
                 std::abs(other.second - atY) < 11;
        }))
      continue;
    labels.emplace_back(atX, atY);
    text(atX, atY + 4, "class=\"ink\"", Twine(i + 1));
  }
}

void Roofline::print() {
  chooseRanges();
  os << formatv("<div class=\"chart\"><svg class=\"wide\" viewBox=\"0 0 {0} "
                "{1}\" role=\"img\" aria-label=\"Kernels below the limits of "
                "the machine\">\n",
                width, height);
  printAxes();
  printLimits();
  printKernels();
  os << "</svg></div>\n<p class=\"dim\">Dots: kernels, larger ones take more "
        "time, numbered as below ("
     << "<span style=\"color:var(--own)\">●</span> f32, "
     << "<span style=\"color:var(--total)\">●</span> int8, "
     << "<span style=\"color:var(--weight)\">●</span> others). Lines: what "
        "this machine reached with code that does nothing else. Both axes are "
        "logarithmic.</p>\n";
}

void Profile::printPage(raw_ostream &os) const {
  beginPage("Profile of " + (model.empty() ? "a model" : model), os);
  os << formatv("<p>{0:f3} ms a run, the median of {1} runs on {2} thread(s); "
                "{3:f1}% of it outside of kernels.</p>\n",
                seconds * 1e3, runs, peaks.threads,
                100 * getOtherSeconds() / seconds);
  os << "<h2>Roofline</h2>\n";
  Roofline(*this, os).print();
  os << "<h2>Kernels</h2>\n<div class=\"chart\"><table><tr><th "
        "class=\"n\">#</th><th class=\"n\">ms</th><th "
        "class=\"extra\">share</th><th "
        "class=\"n extra\">calls</th><th class=\"n\">GOP/s</th><th "
        "class=\"n extra\">GB/s</th><th class=\"n\">of peak</th><th "
        "class=\"extra\">limit</th><th>nodes</th></tr>\n";
  double longest = kernels.empty() ? 1 : kernels.front().seconds;
  for (const auto &[i, kernel] : enumerate(kernels)) {
    Limit limit = getLimit(kernel);
    // The node that the kernel is for, and what it does on the way.
    auto [first, others] = StringRef(kernel.nodes).split(" + ");
    std::string rest = others.empty() ? "" : " + " + others.str();
    std::string speed = "–";
    if (kernel.operations > 0)
      speed = formatv("{0:f1}", getSpeed(kernel));
    os << formatv(
        "<tr><td class=\"n\">{0}</td><td class=\"n\">{1:f3}</td><td "
        "class=\"extra\"><span "
        "class=\"bar\" style=\"width:{2:f2}rem;background:{3}\"></span></td>"
        "<td class=\"n extra\">{4}</td><td class=\"n\">{5}</td><td class=\"n "
        "extra\">{6:f1}</td><td class=\"n\">{7:f0}%</td><td "
        "class=\"extra\">{8}</td><td class=\"names\"><code>{9}</code><span "
        "class=\"dim\">{10} ({11})</span></td></tr>\n",
        i + 1, kernel.seconds * 1e3, 6 * kernel.seconds / longest,
        getColor(kernel.operationName), formatShort(kernel.calls), speed,
        kernel.bytes / kernel.seconds / 1e9, limit.share * 100,
        escapeHTML(limit.name), escapeHTML(first), escapeHTML(rest),
        escapeHTML(kernel.kernel));
  }
  os << "</table></div>\n";
  endPage(os);
}
