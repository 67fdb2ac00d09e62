# Writes a header with the bytes of some files, as an array of structs {path, type, bytes, etag}.
#
#   cmake -DDIR=… -DFILES=a.js,b.css -DTYPE=cairn::console::Asset -DOUTPUT=… -P EmbedFiles.cmake
#
# TYPE's members are string_views in that order; the array is `kFiles`, in TYPE's namespace.
set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_mjs "${type_js}")
set(type_svg "image/svg+xml")

string(REGEX REPLACE "::[^:]*$" "" namespace ${TYPE})
set(text "#pragma once\nnamespace ${namespace} {\n")
set(rows "")
set(number 0)
string(REPLACE "," ";" files ${FILES})
foreach(file ${files})
  file(READ ${DIR}/${file} hex HEX)
  file(SHA256 ${DIR}/${file} hash)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  # Lines that a compiler and a person can take.
  string(REGEX REPLACE "('[^']*','[^']*','[^']*','[^']*','[^']*','[^']*','[^']*','[^']*',)" "\\1\n"
    bytes "${bytes}")
  string(REGEX MATCH "[^.]*$" extension ${file})
  if(NOT DEFINED type_${extension})
    message(FATAL_ERROR "EmbedFiles: no content type is known for ${file}")
  endif()
  string(SUBSTRING ${hash} 0 32 tag)
  string(APPEND text "inline constexpr char kBytes${number}[] = {\n${bytes}'\\0'};\n")
  string(APPEND rows "  {\"/${file}\", \"${type_${extension}}\", {kBytes${number}, ${size}}, \"\\\"${tag}\\\"\"},\n")
  math(EXPR number "${number} + 1")
endforeach()
string(APPEND text "inline constexpr ${TYPE} kFiles[] = {\n${rows}};\n}  // namespace ${namespace}\n")
file(WRITE ${OUTPUT} "${text}")
