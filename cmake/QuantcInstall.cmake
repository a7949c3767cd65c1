# Where `cmake --install` puts things. Three components: `tools` (the programs),
# `python` (the package) and `development` (what plug-ins are built against).
#
# The layout below the prefix is that of a Python environment, so that a virtual
# environment as the prefix gets programs and package at once.
include(GNUInstallDirs)
# A wheel has a folder of its own for programs.
if(SKBUILD)
  set(CMAKE_INSTALL_BINDIR ${SKBUILD_SCRIPTS_DIR})
endif()
# Installed programs find LLVM's and MLIR's shared libraries where we did.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)

# For plug-ins outside the tree (docs/AddingAPass.md): a package for the build
# tree, and one to be installed beside the headers.
function(quantc_install_headers)
  set(template ${CMAKE_SOURCE_DIR}/cmake/QuantcConfig.cmake.in)
  set(QUANTC_CONFIG_INCLUDE_DIRS
      "\"${CMAKE_SOURCE_DIR}/include\" \"${CMAKE_BINARY_DIR}/include\"")
  configure_file(${template} cmake/QuantcConfig.cmake @ONLY)
  set(QUANTC_CONFIG_INCLUDE_DIRS "\"\${CMAKE_CURRENT_LIST_DIR}/../../../include\"")
  configure_file(${template} cmake/install/QuantcConfig.cmake @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/cmake/install/QuantcConfig.cmake
    DESTINATION lib/cmake/quantc COMPONENT development)
  install(DIRECTORY include/quantc ${CMAKE_BINARY_DIR}/include/quantc
    DESTINATION include COMPONENT development
    FILES_MATCHING PATTERN "*.h" PATTERN "*.inc" PATTERN "*.td"
    PATTERN CMakeFiles EXCLUDE)
endfunction()
