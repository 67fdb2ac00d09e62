# What `cmake --install` puts where, in five components that CPack makes Debian packages of: node
# (cairnd and the tool), agent, dev (the client library with its headers and the API's definition),
# c (the shared library of the C interface) and cdev (what programs need to be built with it). A tree that is installed is one that was built: nothing is built on the way.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(CAIRN_PACKAGING ${PROJECT_SOURCE_DIR}/scripts/packaging)

# ---- Programs -----------------------------------------------------------------------------

install(TARGETS cairnd cairn RUNTIME COMPONENT node)
install(TARGETS cairn-agent RUNTIME COMPONENT agent)
install(FILES ${CAIRN_PACKAGING}/systemd/cairnd.service
  DESTINATION lib/systemd/system COMPONENT node)
install(FILES ${CAIRN_PACKAGING}/systemd/cairn-agent@.service
  DESTINATION lib/systemd/system COMPONENT agent)
foreach(component node agent)
  install(FILES ${CAIRN_PACKAGING}/sysusers.d/cairn-${component}.conf
    DESTINATION lib/sysusers.d COMPONENT ${component})
endforeach()
foreach(pair node:cairn agent:cairn-agent dev:libcairn-dev c:libcairn-c${CAIRN_C_ABI} cdev:libcairn-c-dev)
  string(REGEX MATCH "^(.+):(.+)$" pair ${pair})
  set(doc ${CMAKE_INSTALL_DATADIR}/doc/${CMAKE_MATCH_2})
  install(FILES LICENSE RENAME copyright DESTINATION ${doc} COMPONENT ${CMAKE_MATCH_1})
  install(FILES CHANGELOG.md DESTINATION ${doc} COMPONENT ${CMAKE_MATCH_1})
endforeach()
install(FILES ${CAIRN_PACKAGING}/examples/cairnd.toml
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/cairn/examples COMPONENT node)
install(FILES ${CAIRN_PACKAGING}/examples/cache.toml
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/cairn-agent/examples COMPONENT agent)
# The tool knows its own commands best.
install(CODE "
  execute_process(COMMAND \"$<TARGET_FILE:cairn>\" completion bash
    OUTPUT_FILE \"${PROJECT_BINARY_DIR}/cairn.completion\" COMMAND_ERROR_IS_FATAL ANY)"
  COMPONENT node)
install(FILES ${PROJECT_BINARY_DIR}/cairn.completion RENAME cairn
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT node)

# ---- The client library -------------------------------------------------------------------

set(CAIRN_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Cairn)
set_target_properties(cairn_client PROPERTIES EXPORT_NAME client)
install(TARGETS cairn_client cairn_grpc cairn_proto cairn_base EXPORT CairnTargets
  ARCHIVE COMPONENT dev)
install(DIRECTORY client/include/cairn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev
  PATTERN cairn.h EXCLUDE)
# Included as "base/…", which is looked for beside the header that does so: nobody else's base/.
install(FILES base/clock.h base/ids.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cairn/base
  COMPONENT dev)
install(DIRECTORY proto/cairn DESTINATION ${CMAKE_INSTALL_DATADIR}/cairn/proto COMPONENT dev
  FILES_MATCHING PATTERN "*.proto")
install(EXPORT CairnTargets NAMESPACE Cairn:: DESTINATION ${CAIRN_CMAKE_DIR} COMPONENT dev)
configure_package_config_file(cmake/CairnConfig.cmake.in ${PROJECT_BINARY_DIR}/CairnConfig.cmake
  INSTALL_DESTINATION ${CAIRN_CMAKE_DIR})
# Below 1.0 a minor version may change what programs see.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/CairnConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/CairnConfig.cmake ${PROJECT_BINARY_DIR}/CairnConfigVersion.cmake
  DESTINATION ${CAIRN_CMAKE_DIR} COMPONENT dev)
configure_file(cmake/cairn.pc.in ${PROJECT_BINARY_DIR}/cairn.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cairn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT dev)

# ---- The C interface ----------------------------------------------------------------------

set(CAIRN_C_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/CairnC)
set_target_properties(cairn_c PROPERTIES EXPORT_NAME c)
install(TARGETS cairn_c EXPORT CairnCTargets
  LIBRARY COMPONENT c NAMELINK_COMPONENT cdev)
install(FILES client/include/cairn/cairn.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cairn
  COMPONENT cdev)
install(FILES client/examples/event_loop_cache.c
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libcairn-c-dev/examples COMPONENT cdev)
install(EXPORT CairnCTargets NAMESPACE Cairn:: DESTINATION ${CAIRN_C_CMAKE_DIR} COMPONENT cdev)
configure_package_config_file(cmake/CairnCConfig.cmake.in ${PROJECT_BINARY_DIR}/CairnCConfig.cmake
  INSTALL_DESTINATION ${CAIRN_C_CMAKE_DIR})
# Versions with one soname are one to C programs: older ones do with newer libraries.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/CairnCConfigVersion.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/CairnCConfig.cmake
  ${PROJECT_BINARY_DIR}/CairnCConfigVersion.cmake
  DESTINATION ${CAIRN_C_CMAKE_DIR} COMPONENT cdev)
configure_file(cmake/cairn-c.pc.in ${PROJECT_BINARY_DIR}/cairn-c.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cairn-c.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT cdev)

# ---- Debian packages: `cpack -G DEB` in the build's folder --------------------------------

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL node agent dev c cdev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGE_NAME cairn)
set(CPACK_PACKAGE_CONTACT "Cairn maintainers <maintainers@cairn.invalid>")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_NODE_PACKAGE_NAME cairn)
set(CPACK_DEBIAN_NODE_PACKAGE_SECTION database)
set(CPACK_COMPONENT_NODE_DESCRIPTION "replicated transaction log
 cairnd, one node of a cluster that keeps named, totally ordered, durable logs
 with Raft, and cairn, the tool that appends, reads and looks after them.")
set(CPACK_DEBIAN_AGENT_PACKAGE_NAME cairn-agent)
set(CPACK_DEBIAN_AGENT_PACKAGE_SECTION database)
set(CPACK_DEBIAN_AGENT_PACKAGE_SUGGESTS "redis-server, memcached")
set(CPACK_COMPONENT_AGENT_DESCRIPTION "makes an unmodified Redis or memcached durable
 An agent stands beside each engine, logs its writes in a Cairn cluster, fills
 it after a restart, and takes over when the primary dies.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libcairn-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
  "libgrpc++-dev, libprotobuf-dev, libabsl-dev, libfmt-dev, pkg-config")
set(CPACK_COMPONENT_DEV_DESCRIPTION "client library of Cairn
 Headers, static libraries, pkg-config and CMake files, and the definition of
 the API for other languages.")
set(CPACK_DEBIAN_C_PACKAGE_NAME libcairn-c${CAIRN_C_ABI})
set(CPACK_DEBIAN_C_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_C_DESCRIPTION "client library of Cairn for programs in C
 The shared library behind cairn.h.")
set(CPACK_DEBIAN_CDEV_PACKAGE_NAME libcairn-c-dev)
set(CPACK_DEBIAN_CDEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_CDEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_CDEV_PACKAGE_DEPENDS "libcairn-c${CAIRN_C_ABI} (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_CDEV_DESCRIPTION "client library of Cairn for programs in C, to build with
 cairn.h, pkg-config and CMake files, and an example.")
foreach(component node agent)
  string(TOUPPER ${component} COMPONENT)
  file(READ ${CAIRN_PACKAGING}/debian/postinst CAIRN_POSTINST)
  string(REPLACE "@component@" ${component} CAIRN_POSTINST "${CAIRN_POSTINST}")
  set(CAIRN_POSTINST_FILE ${PROJECT_BINARY_DIR}/debian/${component}/postinst)
  file(WRITE ${CAIRN_POSTINST_FILE} "${CAIRN_POSTINST}")
  file(CHMOD ${CAIRN_POSTINST_FILE}
    PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                WORLD_EXECUTE)
  set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_CONTROL_EXTRA ${CAIRN_POSTINST_FILE})
endforeach()
include(CPack)
