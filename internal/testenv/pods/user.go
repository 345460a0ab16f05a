//go:build linux

package pods

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	core "k8s.io/api/core/v1"
)

// user is whom a container runs as.
type user struct {
	uid, gid uint32
	groups   []uint32
}

// errRoot is that of a container which the testbed does not start: it would be
// root of the machine.
var errRoot = errors.New("container has runAsNonRoot and image will run as root: the testbed runs nothing as root")

// userOf is who the specification says, or else the image.
func userOf(pod *core.Pod, container *core.Container, img *image) (user, error) {
	found, err := userOfImage(img)
	if err != nil {
		return user{}, err
	}
	podWide, own := pod.Spec.SecurityContext, container.SecurityContext
	if podWide != nil {
		for _, group := range podWide.SupplementalGroups {
			found.groups = append(found.groups, uint32(group))
		}
		if podWide.FSGroup != nil {
			found.groups = append(found.groups, uint32(*podWide.FSGroup))
		}
		set(&found.uid, podWide.RunAsUser)
		set(&found.gid, podWide.RunAsGroup)
	}
	if own != nil {
		set(&found.uid, own.RunAsUser)
		set(&found.gid, own.RunAsGroup)
	}
	if found.uid == 0 {
		return user{}, errRoot
	}
	return found, nil
}

func set(id *uint32, wanted *int64) {
	if wanted != nil {
		*id = uint32(*wanted)
	}
}

// userOfImage reads "user", "user:group" of an image: numbers or names.
func userOfImage(img *image) (user, error) {
	name, group, hasGroup := strings.Cut(img.config.User, ":")
	if name == "" {
		return user{}, nil
	}
	var found user
	id, err := strconv.ParseUint(name, 10, 32)
	if err == nil {
		found.uid = uint32(id)
		if entry, err := lookUp(img.root, "/etc/passwd", 2, name); err == nil {
			found.gid = entry.second
		}
	} else {
		entry, err := lookUp(img.root, "/etc/passwd", 0, name)
		if err != nil {
			return user{}, err
		}
		found = user{uid: entry.first, gid: entry.second}
	}
	if !hasGroup {
		return found, nil
	}
	if id, err := strconv.ParseUint(group, 10, 32); err == nil {
		found.gid = uint32(id)
		return found, nil
	}
	entry, err := lookUp(img.root, "/etc/group", 0, group)
	found.gid = entry.first
	return found, err
}

// entry is a line of passwd or group: the numbers that follow its name.
type entry struct{ first, second uint32 }

// lookUp finds the line of a file in the image whose column has the value.
func lookUp(root, path string, column int, value string) (entry, error) {
	resolved, err := within(root, path)
	if err != nil {
		return entry{}, err
	}
	file, err := os.Open(resolved)
	if err != nil {
		return entry{}, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) < 4 || fields[column] != value {
			continue
		}
		one, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil {
			return entry{}, err
		}
		two, _ := strconv.ParseUint(fields[3], 10, 32) // a group's has members there
		return entry{uint32(one), uint32(two)}, nil
	}
	return entry{}, fmt.Errorf("unable to find %s in %s of the image", value, path)
}

func owner(info fs.FileInfo) (uid, gid int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), int(stat.Gid)
	}
	return 0, 0
}
