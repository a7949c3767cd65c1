"""The lit suite: every .mlir and .test file below test/.

`%python` is the interpreter of build/venv (it has onnx and numpy), `%cc` the C
compiler of the build. FileCheck runs with -enable-var-scope, so a variable
whose name does not start with `$` is forgotten at the next CHECK-LABEL.
"""

import os

import lit.formats
from lit.llvm import llvm_config

config.name = "Quantc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "python", "unittests", "utils"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.quantc_binary_dir, "test")

llvm_config.with_system_environment(["HOME", "TMP", "TEMP"])
llvm_config.with_environment("FILECHECK_OPTS", "-enable-var-scope")
llvm_config.with_environment("PATH", config.llvm_tools_dir, append_path=True)
llvm_config.with_environment("PATH", config.quantc_tools_dir, append_path=True)

tool_dirs = [config.quantc_tools_dir, config.llvm_tools_dir]
tools = ["quant-opt", "FileCheck", "count", "not", "split-file"]
if os.path.exists(os.path.join(config.quantc_tools_dir, "quantc")):
    tools.append("quantc")
    config.available_features.add("quantc")
llvm_config.add_tool_substitutions(tools, tool_dirs)

config.substitutions.append(
    ("%python", os.path.join(config.quantc_venv, "bin", "python"))
)
config.substitutions.append(("%cc", config.host_cc))
config.substitutions.append(("%test_dir", config.test_source_root))
