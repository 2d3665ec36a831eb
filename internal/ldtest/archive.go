package ldtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
)

// SDKKey is the SDK key that the relay accepts.
const SDKKey = "sdk-offline"

const environment = "environment"

// writeArchive writes data, which is {"flags":{...},"segments":{...}}, as the
// archive that the relay reads when it is offline: a gzipped tar of the data,
// a description of the environment, and the raw MD5 sum of both in the order of
// their names. It is moved into place, because the relay watches the path.
func writeArchive(path string, data []byte) error {
	sum := md5.Sum(data)
	description, err := json.Marshal(map[string]any{
		"dataId": hex.EncodeToString(sum[:]), // the relay reads data anew when it changes
		"env": map[string]any{
			"envID": environment, "envKey": "test", "envName": "Test", "projKey": "default", "projName": "Default",
			"sdkKey": map[string]any{"value": SDKKey}, "mobKey": "mob-offline", "defaultTtl": 0, "secureMode": false, "version": 1,
		},
	})
	if err != nil {
		return err
	}
	both := md5.Sum(bytes.Join([][]byte{data, description}, nil))
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	archive := tar.NewWriter(zip)
	for _, file := range []struct {
		name string
		text []byte
	}{
		{environment + "-data.json", data},
		{environment + ".json", description},
		{"checksum.md5", both[:]},
	} {
		if err := archive.WriteHeader(&tar.Header{Name: file.name, Mode: 0o600, Size: int64(len(file.text))}); err != nil {
			return err
		}
		if _, err := archive.Write(file.text); err != nil {
			return err
		}
	}
	for _, c := range []io.Closer{archive, zip} {
		if err := c.Close(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path+".new", b.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
