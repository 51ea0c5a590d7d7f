// SPDX-License-Identifier: MIT
#include "package/SharedObject.h"

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
  if (_handle && !unload())
    ::dlclose(_handle); // the file stays open: code that is resident keeps its path
}

bool SharedObject::unload()
{
  ::dlclose(_handle);
  _handle = ::dlopen(path_of(_file).c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (_handle)
    return false;
  ::close(_file);
  return true;
}

void * SharedObject::address(const char * name) const
{
  void * found = ::dlsym(_handle, name);
  if (!found)
    fail(_origin, std::string("it lacks the function ") + name + "; compile the model again");
  return found;
}

namespace
{

/// The code of this process by the hash of the file it came from. Inductor's cannot be unloaded: it has
/// unique symbols, and leaves each thread that calls it a destructor to run at its end. It waits here for the
/// next who wants the same.
struct Loaded
{
  std::mutex guard;
  std::map<std::string, std::weak_ptr<const SharedObject>> used;
  std::multimap<std::string, std::unique_ptr<SharedObject>> resident;
};

Loaded & loaded()
{
  static auto & all = *new Loaded; // never destroyed: a model may be, after everything else
  return all;
}

} // namespace

std::shared_ptr<const SharedObject> SharedObject::open(const std::string & key, std::string_view code,
                                                       const std::filesystem::path & origin)
{
  auto & all = loaded();
  const std::lock_guard lock(all.guard);
  if (auto object = all.used[key].lock())
    return object;
  std::unique_ptr<SharedObject> object;
  if (const auto waiting = all.resident.find(key); waiting != all.resident.end())
    object = std::move(all.resident.extract(waiting).mapped());
  else
    object = std::make_unique<SharedObject>(code, origin);
  const auto retire = [key](SharedObject * retired)
  {
    std::unique_ptr<SharedObject> owned(retired);
    auto & known = loaded();
    const std::lock_guard guard(known.guard);
    if (const auto used = known.used.find(key); used != known.used.end() && used->second.expired())
      known.used.erase(used);
    if (!owned->unload())
      known.resident.emplace(key, std::move(owned));
  };
  std::shared_ptr<const SharedObject> shared(object.release(), retire);
  all.used[key] = shared;
  return shared;
}

} // namespace neml2::aoti
