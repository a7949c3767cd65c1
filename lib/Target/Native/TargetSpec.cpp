//===- TargetSpec.cpp - Which machine to compile for ----------------------===//

#include "quantc/Target/Native/TargetSpec.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/TargetParser/X86TargetParser.h"

using namespace llvm;
using namespace quantc::native;

bool TargetSpec::hasFeature(StringRef name) const {
  SmallVector<StringRef> all;
  StringRef(features).split(all, ',', -1, false);
  return is_contained(all, ("+" + name).str());
}

std::string TargetSpec::featureList() const {
  SmallVector<StringRef> all, on;
  StringRef(features).split(all, ',', -1, false);
  for (StringRef feature : all)
    if (feature.consume_front("+"))
      on.push_back(feature);
  return join(on, ",");
}

bool TargetSpec::isHostArchitecture() const {
  return Triple(triple).getArch() ==
         Triple(sys::getDefaultTargetTriple()).getArch();
}

/// Features of this machine. Those it lacks are not listed: the base of each
/// architecture has none of them.
static SmallVector<std::string> hostFeatures() {
  SmallVector<std::string> features;
  for (const auto &feature : sys::getHostCPUFeatures())
    if (feature.second)
      features.push_back(feature.first().str());
  llvm::sort(features);
  return features;
}

Expected<TargetSpec> quantc::native::resolveTarget(StringRef name) {
  auto [base, extra] = name.split(',');
  SmallVector<std::string> features;
  std::string triple = "x86_64-unknown-linux-gnu";
  // With what each feature implies, since lowerings look for all of them.
  auto addX86 = [&](ArrayRef<StringRef> names) {
    StringMap<bool> all;
    for (StringRef name : names) {
      all[name] = true;
      X86::updateImpliedFeatures(name, /*Enabled=*/true, all);
    }
    for (const auto &feature : all)
      if (feature.second && feature.first() != "64bit")
        features.push_back(feature.first().str());
    llvm::sort(features);
  };
  SmallVector<StringRef> names;
  if (base == "native") {
    triple = sys::getDefaultTargetTriple();
    features = hostFeatures();
  } else if (base == "x86-64" || base == "x86-64-v2" || base == "x86-64-v3" ||
             base == "x86-64-v4") {
    X86::getFeaturesForCPU(base, names);
    addX86(names);
  } else if (base == "amx") {
    X86::getFeaturesForCPU("x86-64-v4", names);
    names.append(
        {"avx512vnni", "avx512bf16", "amx-tile", "amx-int8", "amx-bf16"});
    addX86(names);
  } else if (base == "aarch64") {
    triple = "aarch64-unknown-linux-gnu";
    features.push_back("neon");
  } else {
    return createStringError(
        "unknown target '" + name +
        "'; use native, x86-64, x86-64-v2, x86-64-v3, x86-64-v4, amx or "
        "aarch64, with more features after commas (x86-64-v3,+avxvnni), "
        "several of them with slashes between (x86-64-v4/x86-64-v3), or "
        "multi");
  }

  TargetSpec spec{triple, ""};
  for (StringRef feature : features)
    spec.features += (spec.features.empty() ? "+" : ",+") + feature.str();
  SmallVector<StringRef> changes;
  extra.split(changes, ',', -1, false);
  for (StringRef change : changes) {
    if (!change.starts_with("+") && !change.starts_with("-"))
      return createStringError("target '" + name + "': '" + change +
                               "' must start with + or -");
    spec.features += (spec.features.empty() ? "" : ",") + change.str();
  }
  return spec;
}

Expected<SmallVector<TargetSpec>>
quantc::native::resolveTargets(StringRef names) {
  if (names == "multi")
    names = "amx/x86-64-v4,+avx512vnni/x86-64-v3,+avxvnni/x86-64-v3/x86-64-v2";
  SmallVector<StringRef> parts;
  names.split(parts, '/');
  SmallVector<TargetSpec> specs;
  for (StringRef part : parts) {
    Expected<TargetSpec> spec = resolveTarget(part);
    if (!spec)
      return spec.takeError();
    if (!specs.empty() && Triple(specs.front().triple).getArch() !=
                              Triple(spec->triple).getArch())
      return createStringError("target '" + names +
                               "': one library is for one architecture");
    specs.push_back(std::move(*spec));
  }
  return specs;
}

Expected<std::unique_ptr<TargetMachine>>
quantc::native::createTargetMachine(const TargetSpec &spec) {
  static bool initialized = [] {
    InitializeAllTargetInfos();
    InitializeAllTargets();
    InitializeAllTargetMCs();
    InitializeAllAsmPrinters();
    InitializeAllAsmParsers();
    return true;
  }();
  (void)initialized;
  Triple triple(spec.triple);
  std::string error;
  const Target *target = TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return createStringError("target '" + spec.triple + "': " + error);
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Standard;
  options.FunctionSections = options.DataSections = true;
  StringRef cpu = triple.isX86() ? "x86-64" : "generic";
  std::unique_ptr<TargetMachine> machine(target->createTargetMachine(
      triple, cpu, spec.features, options, Reloc::PIC_, std::nullopt,
      CodeGenOptLevel::Aggressive));
  if (!machine)
    return createStringError("target '" + spec.triple +
                             "' has no code generator");
  return machine;
}
