// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace neml2::aoti
{

/// Code loaded into the process. Nothing of it stays on disk: it lives in an anonymous file.
class SharedObject
{
public:
  /// Loads `code`, or returns what is loaded already under the same `key` (the hash of the file it came
  /// from). `origin` is used in messages only. Throws FatalError. Safe from several threads. What nobody uses
  /// any more is unloaded, or kept for the next call where the loader cannot remove it.
  static std::shared_ptr<const SharedObject> open(const std::string & key, std::string_view code,
                                                  const std::filesystem::path & origin);

  SharedObject(std::string_view code, const std::filesystem::path & origin);
  ~SharedObject();
  SharedObject(const SharedObject &) = delete;
  SharedObject & operator=(const SharedObject &) = delete;

  /// Address of an exported function. Throws FatalError where there is none.
  template <typename Function>
  Function * function(const char * name) const
  {
    return reinterpret_cast<Function *>(address(name));
  }

private:
  /// Whether the loader has removed the code; if not, it stays open.
  bool unload();
  void * address(const char * name) const;

  std::filesystem::path _origin;
  int _file = -1; // stays open: the loader tells libraries apart by their path, /proc/self/fd/<number>
  void * _handle = nullptr;
};

/// Where SharedObject puts code: in memory (the default), or in unlinked files of a folder. The environment
/// variable NEML2_UNPACK_DIR names such a folder, for systems that allow no executable memory files.
class UnpackedFile
{
public:
  /// Writes `code`, returns an open file descriptor. Throws FatalError, for example when the disk is full.
  static int create(std::string_view code, const std::filesystem::path & origin);
};

} // namespace neml2::aoti
