# Runs after CPack has staged what `cmake --install` installs.
file(INSTALL ${CMAKE_CURRENT_LIST_DIR}/../answermill.env
     DESTINATION ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/etc/answermill
     FILE_PERMISSIONS OWNER_READ OWNER_WRITE)
file(INSTALL ${CMAKE_CURRENT_LIST_DIR}/../../LICENSE
     DESTINATION ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/doc/answermill RENAME copyright)
