package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// adoptOrphans makes this process the parent of every descendant whose own
// parent dies, so that endOrphans finds servers that went to the background too.
func adoptOrphans() {
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER of prctl(2)
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0)
}

// endOrphans waits for what is about to end by itself, such as the processes of
// a browser. Then it kills those below this process and returns how they were
// called.
func endOrphans(patience time.Duration) (names []string) {
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		left := children()
		if len(left) == 0 {
			return names
		}
		if time.Now().Before(end) {
			continue
		}
		for _, pid := range left { // its own children are ours when it is dead
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			names = append(names, strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " ")))
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
	}
}

// children returns the ids of this process's children, and forgets those that
// have ended.
func children() (pids []int) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range lists {
		list, _ := os.ReadFile(path)
		for _, text := range strings.Fields(string(list)) {
			pid, _ := strconv.Atoi(text)
			if ended, _ := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); ended != pid {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
