package ldtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
)

// SDKKey is the SDK key that the relay accepts.
const SDKKey = "sdk-offline"

const environment = "environment"

// archived returns data, which is {"flags":{...},"segments":{...}}, as the
// archive that the relay reads when it is offline: a gzipped tar of the data, a
// description of the environment, and the raw MD5 sum of both in the order of
// their names.
func archived(data []byte) ([]byte, error) {
	sum := md5.Sum(data)
	description, err := json.Marshal(map[string]any{
		"dataId": hex.EncodeToString(sum[:]), // the relay reads data anew when it changes
		"env": map[string]any{
			"envID": environment, "envKey": "test", "envName": "Test", "projKey": "default", "projName": "Default",
			"sdkKey": map[string]any{"value": SDKKey}, "mobKey": "mob-offline", "defaultTtl": 0, "secureMode": false, "version": 1,
		},
	})
	both := md5.Sum(bytes.Join([][]byte{data, description}, nil))
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	archive := tar.NewWriter(zip)
	add := func(name string, text []byte) {
		err = errors.Join(err, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text))}))
		_, failed := archive.Write(text)
		err = errors.Join(err, failed)
	}
	add(environment+"-data.json", data)
	add(environment+".json", description)
	add("checksum.md5", both[:])
	err = errors.Join(err, archive.Close(), zip.Close())
	return b.Bytes(), err
}
