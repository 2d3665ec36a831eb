package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// adoptOrphans makes this process the parent of every descendant whose own
// parent dies, so that endDescendants finds servers that went to the background
// too. Without it, which is what a failure means, only the others are found.
func adoptOrphans() {
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER of prctl(2)
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0)
}

// moment is how long what is about to end by itself may take, such as the
// processes of a browser on a busy machine.
var moment = 20 * time.Second

// endDescendants ends all processes below this one and returns the command
// lines of those that were still there a moment after the tests. It asks them
// first and kills what is left five seconds later.
func endDescendants() []string {
	for end := time.Now().Add(moment); time.Now().Before(end); {
		if len(descendants()) == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	var names []string
	for _, pid := range descendants() {
		names = append(names, commandLine(pid))
		_ = syscall.Kill(pid, syscall.SIGTERM)
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	for range 50 {
		if len(descendants()) == 0 {
			return names
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, pid := range descendants() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return names
}

// descendants returns the ids of all processes below this one that have not
// ended.
func descendants() []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		// pid (name) state parent ...; the name may hold anything.
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
	}
	found := children[os.Getpid()]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found
}

// commandLine returns how a process was called, for people.
func commandLine(pid int) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return fmt.Sprintf("%s (process %d)", strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " ")), pid)
}
