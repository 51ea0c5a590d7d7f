// SPDX-License-Identifier: MIT
#include "aoti/SharedObject.h"

#include "neml2/aoti/exceptions.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace neml2::aoti
{
namespace
{

[[noreturn]] void fail(const std::filesystem::path & origin, const std::string & what)
{
  throw FatalError("cannot load the compiled graph " + origin.string() + ": " + what);
}

std::string path_of(int file)
{
  return "/proc/self/fd/" + std::to_string(file);
}

void write_all(int file, std::string_view bytes, const std::filesystem::path & origin,
               const std::string & where)
{
  while (!bytes.empty())
  {
    const auto written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
    {
      const std::string reason = std::strerror(errno);
      ::close(file);
      fail(origin, "writing it to " + where + " failed (" + reason + "); free some space there");
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// A file without a name, so that it vanishes with the process however that ends.
int nameless_file(const std::filesystem::path & folder, const std::filesystem::path & origin)
{
  std::string name = (folder / "neml2-XXXXXX").string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0)
    fail(origin, "no file can be made in " + folder.string() + " (" + std::strerror(errno) + ")");
  ::unlink(name.c_str());
  return file;
}

} // namespace

int UnpackedFile::create(std::string_view code, const std::filesystem::path & origin)
{
  const char * folder = std::getenv("NEML2_UNPACK_DIR");
  if (!folder || !*folder)
  {
    const int memory = ::memfd_create("neml2", MFD_CLOEXEC);
    if (memory >= 0)
    {
      write_all(memory, code, origin, "memory");
      return memory;
    }
  }
  const std::filesystem::path where = folder && *folder ? folder : std::filesystem::temp_directory_path();
  const int file = nameless_file(where, origin);
  write_all(file, code, origin, where.string());
  return file;
}

SharedObject::SharedObject(std::string_view code, const std::filesystem::path & origin)
    : _origin(origin), _file(UnpackedFile::create(code, origin))
{
  _handle = ::dlopen(path_of(_file).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!_handle)
  {
    const char * reason = ::dlerror();
    const std::string text = reason ? reason : "unknown reason";
    ::close(_file);
    fail(origin, text);
  }
}

SharedObject::~SharedObject()
{
  ::dlclose(_handle);
  // Code with unique symbols stays resident. Its path then stays taken, so its number must not be given to
  // another file.
  if (!::dlopen(path_of(_file).c_str(), RTLD_NOW | RTLD_NOLOAD))
    ::close(_file);
}

void * SharedObject::address(const char * name) const
{
  void * found = ::dlsym(_handle, name);
  if (!found)
    fail(_origin, std::string("it lacks the function ") + name + "; compile the model again");
  return found;
}

std::shared_ptr<const SharedObject> SharedObject::open(const std::string & key, std::string_view code,
                                                       const std::filesystem::path & origin)
{
  static std::mutex guard;
  static std::map<std::string, std::weak_ptr<const SharedObject>> opened;
  const std::lock_guard lock(guard);
  auto & known = opened[key];
  if (auto object = known.lock())
    return object;
  auto object = std::make_shared<const SharedObject>(code, origin);
  known = object;
  return object;
}

} // namespace neml2::aoti
