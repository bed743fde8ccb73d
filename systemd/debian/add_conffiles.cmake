# Runs after CPack has staged what `cmake --install` installs. COPY, since INSTALL would add DESTDIR once more.
set(stage ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
file(COPY ${CMAKE_CURRENT_LIST_DIR}/../answermill.env DESTINATION ${stage}/etc/answermill
     FILE_PERMISSIONS OWNER_READ OWNER_WRITE)
configure_file(${CMAKE_CURRENT_LIST_DIR}/../../LICENSE ${stage}/usr/share/doc/answermill/copyright COPYONLY)
