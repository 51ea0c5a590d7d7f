// SPDX-License-Identifier: MIT
#include "package/Archive.h"

#include "neml2/aoti/exceptions.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>

namespace neml2::aoti
{

std::string read_file(const std::filesystem::path & path)
{
  std::error_code trouble;
  const auto size = std::filesystem::file_size(path, trouble);
  if (trouble)
    throw FatalError("cannot read " + path.string() + ": " + trouble.message());
  std::ifstream file(path, std::ios::binary);
  std::string content(size, '\0');
  if (!file || !file.read(content.data(), static_cast<std::streamsize>(size)))
    throw FatalError("cannot read " + path.string() + ": " + std::strerror(errno));
  return content;
}

namespace
{

// Signatures and sizes of the zip format (APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16).
constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::uint32_t central_signature = 0x02014b50;
constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::size_t local_size = 30;
constexpr std::size_t central_size = 46;
constexpr std::size_t end_size = 22;

/// Little-endian numbers out of a file, with every access inside its bounds.
class Reader
{
public:
  Reader(std::string_view bytes, const std::filesystem::path & path) : _bytes(bytes), _path(path) {}

  [[noreturn]] void fail(const std::string & reason) const
  {
    throw FatalError(_path.string() + " is not a usable compiled graph: " + reason +
                     "; compile the model again");
  }

  std::string_view view(std::size_t offset, std::size_t size) const
  {
    if (offset > _bytes.size() || size > _bytes.size() - offset)
      fail("the archive is truncated");
    return _bytes.substr(offset, size);
  }

  std::uint32_t number(std::size_t offset, std::size_t size) const
  {
    std::uint32_t value = 0;
    const auto bytes = view(offset, size);
    for (std::size_t i = 0; i < size; i++)
      value |= std::uint32_t(static_cast<unsigned char>(bytes[i])) << (8 * i);
    return value;
  }

  /// Offset of the end-of-central-directory record, which only a comment of at most 65535 bytes may follow.
  std::size_t end_record() const
  {
    constexpr std::size_t longest_comment = 0xffff;
    if (_bytes.size() >= end_size)
    {
      const std::size_t last = _bytes.size() - end_size;
      const std::size_t first = last > longest_comment ? last - longest_comment : 0;
      for (std::size_t at = last + 1; at-- > first;)
        if (number(at, 4) == end_signature)
          return at;
    }
    fail("it is no zip archive, or truncated");
  }

private:
  std::string_view _bytes;
  const std::filesystem::path & _path;
};

} // namespace

std::uint32_t crc32(std::string_view bytes)
{
  static constexpr auto table = []
  {
    std::array<std::uint32_t, 256> remainders{};
    for (std::uint32_t i = 0; i < 256; i++)
    {
      auto r = i;
      for (int bit = 0; bit < 8; bit++)
        r = r & 1u ? 0xedb88320u ^ r >> 1 : r >> 1;
      remainders[i] = r;
    }
    return remainders;
  }();
  std::uint32_t remainder = 0xffffffffu;
  for (const char byte : bytes)
    remainder = table[(remainder ^ static_cast<unsigned char>(byte)) & 0xffu] ^ remainder >> 8;
  return ~remainder;
}

std::string_view find_member(std::string_view archive, std::string_view ending,
                             const std::filesystem::path & path)
{
  const Reader zip(archive, path);
  const auto what = "its member *" + std::string(ending);
  const auto end = zip.end_record();
  const auto members = zip.number(end + 10, 2);
  std::size_t at = zip.number(end + 16, 4);

  std::optional<std::string_view> found;
  for (std::uint32_t i = 0; i < members; i++)
  {
    if (zip.number(at, 4) != central_signature)
      zip.fail("its table of contents is damaged");
    const auto method = zip.number(at + 10, 2);
    const auto checksum = zip.number(at + 16, 4);
    const auto stored = zip.number(at + 20, 4);
    const auto size = zip.number(at + 24, 4);
    const auto name_size = zip.number(at + 28, 2);
    const auto extra = zip.number(at + 30, 2) + zip.number(at + 32, 2);
    const std::size_t local = zip.number(at + 42, 4);
    const auto name = zip.view(at + central_size, name_size);
    if (name.ends_with(ending))
    {
      if (found)
        zip.fail(what + " is there more than once");
      if (method != 0 || stored != size)
        zip.fail(what + " is compressed");
      if (zip.number(local, 4) != local_signature)
        zip.fail(what + " is not where its table of contents says");
      const auto data = local + local_size + zip.number(local + 26, 2) + zip.number(local + 28, 2);
      found = zip.view(data, size);
      if (crc32(*found) != checksum)
        zip.fail(what + " does not have its checksum");
    }
    at += central_size + name_size + extra;
  }
  return found.value_or(std::string_view());
}

std::string_view find_shared_object(std::string_view archive, const std::filesystem::path & path)
{
  const auto code = find_member(archive, ".so", path);
  if (code.empty())
    Reader(archive, path).fail("it holds no shared object");
  return code;
}

} // namespace neml2::aoti
