// SPDX-License-Identifier: MIT
#pragma once

#include "package/SolverOverrides.h"

#include <filesystem>
#include <map>
#include <string>

namespace neml2::aoti
{

/// What an input file says of a compiled model.
struct Stub
{
  std::filesystem::path artifact_path; ///< folder with one folder for each device
  std::string package; ///< ties it to packages of this artifact_path; empty in stubs of earlier versions
  SolverOverrides solvers;
  std::map<std::string, std::string> parameters; ///< values of promoted parameters, as they are written

  /// Reads block [Models]/<name>. Throws FatalError with file, line and block.
  static Stub read(const std::filesystem::path & path, const std::string & name);

  /// Metadata of the package for a device: beside the stub if it was made with this stub, else at
  /// artifact_path, else in the folder of that name beside the stub. Throws FatalError where there is none,
  /// naming the devices there are.
  std::filesystem::path metadata(const std::filesystem::path & stub, const std::string & name,
                                 const std::string & device) const;

private:
  bool owns(const std::filesystem::path & metadata) const;
};

} // namespace neml2::aoti
