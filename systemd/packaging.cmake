# `cpack -G DEB --config build/release/CPackConfig.cmake` makes the Debian package.
set(CPACK_PACKAGE_NAME answermill)
set(CPACK_PACKAGE_VENDOR "The Answermill authors")
set(CPACK_PACKAGE_CONTACT "The Answermill authors <answermill@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Turns documents into answers while people watch")
set(CPACK_PACKAGE_DESCRIPTION "Answermill reads documents, finds the passages that answer a question and streams
the answer with checked citations to browsers, terminals and programs. It runs
as a small fleet of processes that survive each other's death.")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR DEB)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# FAISS takes whatever BLAS there is; the reference one is an order of magnitude slower.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, libopenblas0")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "systemd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_CURRENT_SOURCE_DIR}/debian/postinst ${CMAKE_CURRENT_SOURCE_DIR}/debian/prerm
    ${CMAKE_CURRENT_SOURCE_DIR}/debian/postrm ${CMAKE_CURRENT_SOURCE_DIR}/debian/conffiles)
# The package's own /etc, which `cmake --install` must not touch.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/debian/add_conffiles.cmake)
include(CPack)
